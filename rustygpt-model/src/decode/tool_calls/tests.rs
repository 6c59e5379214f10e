//! Each format as models write it: cut into pieces of every length, read, and allowed by its own
//! grammar.

use super::*;
use crate::decode::{Outline, Piece, Sections, Turn};
use crate::grammar::{CompileLimits, Grammars, Schema};
use crate::tokenizer::Tokenizer;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

/// What an answer was made of: text, calls with their arguments.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    text: String,
    calls: Vec<(String, String)>,
    ended: usize,
}

fn read(format: CallFormat, pieces: &[&str]) -> Answer {
    let names = ["get_weather", "f"].map(str::to_owned);
    let mut sections = Sections::new(Outline {
        reasoning: None,
        calls: Some(Arc::new(Reading {
            format,
            names: Arc::new(names),
            is_single: false,
        })),
    });
    let (mut found, mut turns): (Vec<Piece>, Vec<Turn>) = Default::default();
    for piece in pieces {
        sections.push(piece, &mut found, &mut turns);
    }
    sections.finish(&mut found);
    let mut answer = Answer::default();
    for piece in found {
        match piece {
            Piece::Text(text) => answer.text.push_str(&text),
            Piece::Call(CallEvent::Begin { name }) => answer.calls.push((name, String::new())),
            Piece::Call(CallEvent::Arguments(json)) => {
                assert!(!json.is_empty());
                answer.calls.last_mut().unwrap().1.push_str(&json);
            }
            Piece::Call(CallEvent::End) => answer.ended += 1,
            Piece::Reasoning(text) => panic!("{text}"),
        }
    }
    answer
}

/// Reads the text whole and cut into pieces of every length; all must agree.
fn read_in_pieces(format: CallFormat, text: &str) -> Answer {
    let whole = read(format, &[text]);
    let characters: Vec<String> = text.chars().map(String::from).collect();
    for length in 1..characters.len().min(20) {
        let pieces: Vec<String> = characters.chunks(length).map(<[String]>::concat).collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        assert_eq!(read(format, &pieces), whole, "pieces of {length}: {text}");
    }
    whole
}

const ARGUMENTS: &str = r#"{"city": "Paris </tool_call> \"é\" ]}", "days": [1, {"a": null}]}"#;

/// An answer with two calls in each format, the second without arguments worth the name.
fn transcripts() -> Vec<(CallFormat, String)> {
    let object = |key: &str| {
        let first = format!("{{\"name\": \"get_weather\", \"{key}\": {ARGUMENTS}}}");
        (first, format!("{{\"name\": \"f\", \"{key}\": {{}}}}"))
    };
    let (first, second) = object("arguments");
    let (llama_first, llama_second) = object("parameters");
    let list = format!("[{first}, {second}]");
    let fenced = |name: &str, arguments: &str| {
        format!(
            "<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{arguments}\n```\
             <｜tool▁call▁end｜>"
        )
    };
    let plain = |name: &str, arguments: &str| {
        format!("<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{arguments}<｜tool▁call▁end｜>")
    };
    let between = |calls: [String; 2]| {
        let [first, second] = calls;
        format!("<｜tool▁calls▁begin｜>{first}\n{second}<｜tool▁calls▁end｜>")
    };
    vec![
        (
            hermes::FORMAT,
            format!("<tool_call>\n{first}\n</tool_call>\n<tool_call>\n{second}\n</tool_call>"),
        ),
        (llama::FORMAT, format!("{llama_first}; {llama_second}")),
        (mistral::LIST, format!("[TOOL_CALLS]{list}")),
        (
            mistral::NAMED,
            format!("[TOOL_CALLS]get_weather[ARGS]{ARGUMENTS}[TOOL_CALLS]f[ARGS]{{}}"),
        ),
        (granite::FORMAT, format!("<|tool_call|>{list}")),
        (phi::FORMAT, format!("<|tool_call|>{list}<|/tool_call|>")),
        (
            deepseek::FENCED,
            between([fenced("get_weather", ARGUMENTS), fenced("f", "{}")]),
        ),
        (
            deepseek::PLAIN,
            between([plain("get_weather", ARGUMENTS), plain("f", "{}")]),
        ),
        (generic::FORMAT, format!("{first};\n{second}")),
    ]
}

#[test]
fn calls_are_read_as_models_write_them_however_they_are_cut() {
    for (format, text) in transcripts() {
        let expected = Answer {
            text: String::new(),
            calls: vec![
                ("get_weather".to_owned(), ARGUMENTS.to_owned()),
                ("f".to_owned(), "{}".to_owned()),
            ],
            ended: 2,
        };
        assert_eq!(read_in_pieces(format, &text), expected, "{format:?}");
    }
}

#[test]
fn text_before_and_behind_calls_stays_text() {
    for (format, text) in transcripts()
        .into_iter()
        .filter(|(format, _)| !format.is_bare)
    {
        let answer = read_in_pieces(format, &format!("I will look.\n\n{text}"));
        assert_eq!(
            (answer.text.as_str(), answer.calls.len()),
            ("I will look.", 2)
        );
        if format.end.is_some() {
            let answer = read_in_pieces(format, &format!("{text}\nDone."));
            assert_eq!(
                (answer.text.trim(), answer.calls.len()),
                ("Done.", 2),
                "{format:?}"
            );
        }
    }
}

#[test]
fn what_only_looks_like_a_call_is_text_and_none_of_it_is_lost() {
    for (format, text) in [
        (hermes::FORMAT, "Use <tool_call> to call. <tool"),
        (hermes::FORMAT, "<tool_call>\nplain words"),
        (hermes::FORMAT, "<tool_call>{\"nam"),
        (llama::FORMAT, "{\"answer\": 42}"),
        (llama::FORMAT, "{\"name\": \"Ada\", \"age\": 36}"),
        (llama::FORMAT, " {"),
        (llama::FORMAT, "<|python_tag|>print(1)"),
        (mistral::LIST, "[TOOL_CALLS] are nice"),
        (deepseek::FENCED, "<｜tool▁calls▁begin｜> no"),
        (generic::FORMAT, "{} and {\"name\": \"f\"}"),
        (generic::FORMAT, "  two spaces\n\n"),
    ] {
        let answer = read_in_pieces(format, text);
        assert_eq!(answer.calls, [], "{text}");
        assert_eq!(answer.text, text);
    }
}

#[test]
fn keys_may_come_in_any_order_and_forms_be_mixed() {
    for text in [
        r#"<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>"#,
        r#"<tool_call>{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}</tool_call>"#,
        r#"<tool_call>{"name": "f", "arguments": "{\"a\": 1}"}</tool_call>"#,
        r#"<tool_call>{"name": "f", "parameters": {"a": 1}, "id": 3}"#,
    ] {
        let answer = read_in_pieces(hermes::FORMAT, text);
        let arguments: serde_json::Value = serde_json::from_str(&answer.calls[0].1).unwrap();
        assert_eq!(
            (answer.calls[0].0.as_str(), arguments),
            ("f", json!({"a": 1})),
            "{text}"
        );
    }
    let answer = read_in_pieces(hermes::FORMAT, r#"<tool_call>{"name": "f"}</tool_call>"#);
    assert_eq!(answer.calls, [("f".to_owned(), "{}".to_owned())]);
}

#[test]
fn a_call_that_is_cut_off_is_given_out_as_far_as_it_came() {
    let answer = read_in_pieces(
        hermes::FORMAT,
        r#"<tool_call>{"name": "f", "arguments": {"a""#,
    );
    assert_eq!(answer.calls, [("f".to_owned(), r#"{"a""#.to_owned())]);
}

#[test]
fn templates_show_their_format() {
    let templates = [
        ("{{- '<tool_call>\\n{\"name\": \"' }}", hermes::FORMAT),
        (
            "'Respond in the format {\"name\": function name, \"parameters\": x}'",
            llama::FORMAT,
        ),
        (
            "{{- '<|python_tag|>' + tool_call.name + '.call(' }}",
            llama::FORMAT,
        ),
        ("{{- '[TOOL_CALLS][' }}", mistral::LIST),
        (
            "{{- '[TOOL_CALLS]' + name + '[ARGS]' + arguments }}",
            mistral::NAMED,
        ),
        (
            "respond with <|tool_call|> followed by a JSON list",
            granite::FORMAT,
        ),
        (
            "{{ '<|tool|>' + message['tools'] + '<|/tool|>' }}",
            phi::FORMAT,
        ),
        (
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + x + '\\n```json",
            deepseek::FENCED,
        ),
        (
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + name",
            deepseek::PLAIN,
        ),
        ("{{ '<start_of_turn>' + role }}", generic::FORMAT),
    ];
    for (source, format) in templates {
        assert_eq!(CallFormat::of_template(source), format, "{source}");
    }
}

/// Whether the format's own grammar allows the text.
fn is_allowed(format: CallFormat, text: &str, is_single: bool, is_begun: bool) -> bool {
    let grammars = Grammars::new(Arc::new(Tokenizer::bytes()), CompileLimits::default()).unwrap();
    let tools: Vec<CallableTool> = ["get_weather", "f"]
        .map(|name| CallableTool {
            name: name.to_owned(),
            arguments: Schema::any_object(),
        })
        .into();
    let lark = calls_grammar(&grammars, &format, &tools, is_begun, is_single);
    let compiled = grammars.lark(lark.clone());
    let mut matcher = compiled
        .unwrap_or_else(|error| panic!("{error}: {lark}"))
        .matcher(Arc::from([257]));
    matcher.accept_text(text) && matcher.may_end()
}

#[test]
fn what_a_grammar_allows_is_what_the_reader_reads() {
    for (format, text) in transcripts() {
        assert!(
            is_allowed(format, &text, false, false),
            "{format:?}: {text}"
        );
        assert!(
            !is_allowed(format, &text, true, false),
            "one call only: {format:?}"
        );
        assert!(!is_allowed(format, "Hello", false, false));
        let other = text.replace("get_weather", "get_money");
        assert!(!is_allowed(format, &other, false, false), "{format:?}");
    }
}

#[test]
fn ids_differ_and_have_the_form_that_templates_take() {
    let ids: std::collections::BTreeSet<String> = (0..8)
        .flat_map(|choice| (0..100).map(move |call| call_id(CallId::Nine, 7, choice, call)))
        .collect();
    assert_eq!(ids.len(), 800);
    let is_plain = |id: &String| id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric());
    assert!(ids.iter().all(is_plain));
    assert!(call_id(CallId::Usual, 1, 0, 0).starts_with("call_"));
}

proptest! {
    #[test]
    fn nothing_panics_and_text_without_marks_is_untouched(
        text in "([ -~\n]|é|<tool_call>|\\{\"name\": \"f\"|\\[TOOL_CALLS\\]|<\\|tool_call\\|>|[\"\\{\\}\\[\\],:]){0,60}",
        cut in 1usize..9,
    ) {
        let characters: Vec<String> = text.chars().map(String::from).collect();
        let pieces: Vec<String> = characters.chunks(cut).map(<[String]>::concat).collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        for (format, _) in transcripts() {
            let answer = read(format, &pieces);
            prop_assert_eq!(&answer, &read(format, &[&text]));
            let has_mark = format.begin.is_some_and(|begin| text.contains(begin))
                || format.is_bare && text.contains('{');
            if !has_mark || answer.calls.is_empty() {
                prop_assert_eq!(&answer.text, &text);
            }
        }
    }
}
