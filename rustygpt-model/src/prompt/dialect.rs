//! Rewrites a template's text where minijinja reads another dialect than Jinja on Python.

use std::ops::Range;

/// Rewrites:
///
/// - line ends to line feeds, as Jinja's lexer does;
/// - transformers' `{% generation %}` blocks, which mark the assistant's words for training, to
///   plain scopes;
/// - `{% for x in y %}` to `{% for x in (y)|iterated %}`: Python iterates neither `None` nor
///   numbers;
/// - `{% raw %}` so that the line feed after it stays;
/// - the escape `\/` in string literals, which Python leaves alone;
/// - `{{ x|safe + y }}` to `{{ x|safe|added(y) }}`: Jinja's safe text escapes what is added to it.
///
/// What it does not understand it copies: the compiler will say what is wrong with it.
pub(super) fn translate(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(source.len() + 256);
    let mut rest = source.as_str();
    while let Some(at) = next_opening(rest) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = match from.as_bytes().get(1) {
            Some(b'#') => from.find("#}").map(|end| end + 2),
            Some(b'{') => closing(from, "}}"),
            _ => closing(from, "%}"),
        };
        let Some((tag, after)) = end.and_then(|end| from.split_at_checked(end)) else {
            out.push_str(from);
            return out;
        };
        rest = after;
        match from.as_bytes().get(1) {
            Some(b'#') => out.push_str(tag),
            Some(b'{') => match safe_sums(tag) {
                Some(rewritten) => push_escaped(&rewritten, &mut out),
                None => push_escaped(tag, &mut out),
            },
            _ if word(tag) == "raw" => {
                out.push_str(&keep_line_feed(tag));
                let raw = raw_length(rest);
                out.push_str(rest.get(..raw).unwrap_or_default());
                rest = rest.get(raw..).unwrap_or_default();
            }
            _ => push_block(tag, &mut out),
        }
    }
    out.push_str(rest);
    out
}

/// Where the next tag, expression or comment begins.
fn next_opening(text: &str) -> Option<usize> {
    text.match_indices('{')
        .map(|(at, _)| at)
        .find(|at| matches!(text.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')))
}

/// The first word of a tag.
fn word(tag: &str) -> &str {
    let inside = tag
        .trim_start_matches("{%")
        .trim_start_matches(['-', '+'])
        .trim_start();
    let end = inside
        .find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(inside.len());
    inside.get(..end).unwrap_or_default()
}

/// The length of a tag up to and with `close`, which counts only outside strings and brackets.
fn closing(tag: &str, close: &str) -> Option<usize> {
    let mut depth = 0usize;
    for token in Tokens::after(tag, 2) {
        if depth == 0
            && tag
                .get(token.start..)
                .is_some_and(|rest| rest.starts_with(close))
        {
            return Some(token.start + close.len());
        }
        match tag.as_bytes().get(token.start) {
            Some(b'(' | b'[' | b'{') => depth += 1,
            Some(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The ranges of string literals, of words, and of single other characters in a tag.
struct Tokens<'a> {
    tag: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn after(tag: &'a str, at: usize) -> Self {
        Self { tag, at }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let rest = self.tag.get(start..)?;
        let mut characters = rest.char_indices();
        let (_, first) = characters.next()?;
        let length = if first == '\'' || first == '"' {
            let mut escaped = false;
            characters
                .find_map(|(index, character)| {
                    let ends = character == first && !escaped;
                    escaped = character == '\\' && !escaped;
                    ends.then_some(index + 1)
                })
                .unwrap_or(rest.len())
        } else if is_word(first) {
            characters
                .find_map(|(index, character)| (!is_word(character)).then_some(index))
                .unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        self.at = start + length;
        Some(start..self.at)
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Copies a tag; in string literals `\/` becomes `\\/`.
fn push_escaped(tag: &str, out: &mut String) {
    if !tag.contains("\\/") {
        out.push_str(tag);
        return;
    }
    for token in Tokens::after(tag, 0) {
        let text = tag.get(token).unwrap_or_default();
        if !text.starts_with(['\'', '"']) {
            out.push_str(text);
            continue;
        }
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            out.push(character);
            if character == '\\'
                && let Some(escaped) = characters.next()
            {
                if escaped == '/' {
                    out.push('\\');
                }
                out.push(escaped);
            }
        }
    }
}

/// The expression with its sums as calls of the `added` filter; `None` if it has no `safe` filter,
/// or operators beside which that would change what binds to what.
fn safe_sums(tag: &str) -> Option<String> {
    let body = tag.strip_prefix("{{")?.strip_suffix("}}")?;
    let (open, body) = match body.strip_prefix(['-', '+']) {
        Some(body) => (tag.get(..3)?, body),
        None => ("{{", body),
    };
    let (body, close) = match body.strip_suffix('-') {
        Some(body) => (body, "-}}"),
        None => (body, "}}"),
    };
    let tokens: Vec<&str> = Tokens::after(body, 0)
        .filter_map(|range| body.get(range))
        .collect();
    if !tokens.contains(&"safe")
        || tokens
            .iter()
            .any(|token| matches!(*token, "-" | "*" | "/" | "%"))
    {
        return None;
    }
    let mut out = String::with_capacity(tag.len() + 64);
    out.push_str(open);
    // For each bracket around this place, whether a call is still open in it.
    let mut calls = vec![false];
    let mut follows_operand = false;
    for token in tokens {
        let is_open = calls.last().copied().unwrap_or(false);
        let ends_sum = matches!(
            token,
            ")" | "]"
                | "}"
                | ","
                | ":"
                | "~"
                | "="
                | "<"
                | ">"
                | "!"
                | "if"
                | "else"
                | "and"
                | "or"
                | "in"
                | "is"
                | "not"
        ) || (token == "+" && follows_operand);
        if ends_sum && is_open {
            out.push_str(") ");
            *calls.last_mut()? = false;
        }
        match token {
            "+" if follows_operand => {
                out.push_str("|added(");
                *calls.last_mut()? = true;
            }
            _ => out.push_str(token),
        }
        match token {
            "(" | "[" | "{" => calls.push(false),
            ")" | "]" | "}" => {
                calls.pop();
            }
            _ => {}
        }
        if !token.trim().is_empty() {
            follows_operand = matches!(token, ")" | "]" | "}")
                || (!ends_sum && token.starts_with(|c: char| is_word(c) || c == '\'' || c == '"'));
        }
    }
    if calls.pop()? {
        out.push(')');
    }
    out.push_str(close);
    Some(out)
}

fn push_block(tag: &str, out: &mut String) {
    match word(tag) {
        "generation" => out.push_str(&tag.replacen("generation", "with", 1)),
        "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endwith", 1)),
        "for" => match iterable(tag) {
            Some(range) => {
                let mut pushed = String::with_capacity(tag.len() + 16);
                pushed.push_str(tag.get(..range.start).unwrap_or_default());
                pushed.push_str(" (");
                pushed.push_str(tag.get(range.clone()).unwrap_or_default().trim());
                pushed.push_str(")|iterated ");
                pushed.push_str(tag.get(range.end..).unwrap_or_default());
                push_escaped(&pushed, out);
            }
            None => push_escaped(tag, out),
        },
        _ => push_escaped(tag, out),
    }
}

/// Where the iterated expression of a `for` tag stands: from `in` to `if`, `recursive` or the
/// tag's end, outside brackets. Jinja, too, takes no conditional expression there.
fn iterable(tag: &str) -> Option<Range<usize>> {
    let body_end = tag.len() - tag.strip_suffix("%}").map_or(0, |_| 2);
    let body_end = match tag.as_bytes().get(body_end.checked_sub(1)?) {
        Some(b'-' | b'+') => body_end - 1,
        _ => body_end,
    };
    let mut depth = 0usize;
    let mut start = None;
    for token in Tokens::after(tag, 2) {
        if token.start >= body_end {
            break;
        }
        let text = tag.get(token.clone())?;
        match text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "in" if depth == 0 && start.is_none() => start = Some(token.end),
            "if" | "recursive" if depth == 0 && start.is_some() => {
                return Some(start?..token.start);
            }
            _ => {}
        }
    }
    Some(start?..body_end)
}

/// `trim_blocks` does not reach the tag that opens raw text.
fn keep_line_feed(tag: &str) -> String {
    match tag.strip_suffix("%}") {
        Some(open) if !open.ends_with(['-', '+']) => format!("{open}+%}}"),
        _ => tag.to_owned(),
    }
}

/// The length of raw text, up to the tag that ends it.
fn raw_length(text: &str) -> usize {
    text.match_indices("{%")
        .map(|(at, _)| at)
        .find(|at| text.get(*at..).is_some_and(|tag| word(tag) == "endraw"))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn loops_and_generation_blocks_are_translated() {
        for (source, translated) in [
            ("a\r\nb\rc", "a\nb\nc"),
            (
                "{%- generation -%}x{% endgeneration %}",
                "{%- with -%}x{% endwith %}",
            ),
            (
                "{{ 'generation' }} {% generations %}",
                "{{ 'generation' }} {% generations %}",
            ),
            ("{%- for a in b -%}", "{%- for a in (b)|iterated -%}"),
            (
                "{% for a, b in c['in'].items() if a in b %}",
                "{% for a, b in (c['in'].items())|iterated if a in b %}",
            ),
            (
                "{% for a in (b if c else d) recursive %}",
                "{% for a in ((b if c else d))|iterated recursive %}",
            ),
            ("{% for a in '%}' %}", "{% for a in ('%}')|iterated %}"),
            (
                "{{ {'a': {'b': '}}'}} }}{% for",
                "{{ {'a': {'b': '}}'}} }}{% for",
            ),
            ("{# {% for a in b %} #}", "{# {% for a in b %} #}"),
            (
                "{% raw %}\n{% for a in b %}{% endraw %}",
                "{% raw +%}\n{% for a in b %}{% endraw %}",
            ),
            (r"{{ 'a\/b' }} \/", r"{{ 'a\\/b' }} \/"),
            (r"{{ 'a\\/b' }}", r"{{ 'a\\/b' }}"),
            (
                "{{- 'a'|safe + b['c'] + (d + e)|f if g + h else '+' -}}",
                "{{- 'a'|safe |added( b['c'] ) |added( (d |added( e) )|f ) if g |added( h ) else '+' -}}",
            ),
            (
                "{{ 'safe' + a }}{{ a|safe - b + c }}",
                "{{ 'safe' + a }}{{ a|safe - b + c }}",
            ),
        ] {
            assert_eq!(translate(source), translated);
        }
    }
}
