//! The hand-made splits, held equal to the regular expressions they stand for.

use std::sync::LazyLock;

use fancy_regex::Regex;
use proptest::prelude::*;

use super::*;

/// Splits by regular expressions, one pass after the other: matches are words and so is what lies
/// between them.
fn split_by_regex(patterns: &[Regex], text: &str) -> Vec<String> {
    let mut words = vec![text.to_owned()];
    for regex in patterns {
        let mut next = Vec::new();
        for word in words {
            let mut at = 0;
            for found in regex.find_iter(&word) {
                let found = found.unwrap();
                next.push(word[at..found.start()].to_owned());
                next.push(found.as_str().to_owned());
                at = found.end();
            }
            next.push(word[at..].to_owned());
        }
        words = next;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn split(name: &str, text: &str) -> Vec<String> {
    let mut words = Vec::new();
    named(name)
        .unwrap()
        .split(text, |word| words.push(word.to_owned()));
    words
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const ANY_CASE: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const SPACES: &str = r"\s*[\r\n]+|\s+(?!\S)|\s+";
const SIGNS: &str = r" ?[^\s\p{L}\p{N}]+[\r\n]*";
const WORD: &str = r"[^\r\n\p{L}\p{N}]?\p{L}+";
const CASED: &str = r"[^\r\n\p{L}\p{N}]?(?:(?=\p{L})[^a-z])*(?:(?=\p{L})[^A-Z])+";
const CASED_END: &str = r"[^\r\n\p{L}\p{N}]?(?:(?=\p{L})[^a-z])+(?:(?=\p{L})[^A-Z])*";

/// A name and the passes it stands for.
fn patterns() -> Vec<(&'static str, Vec<String>)> {
    let own = |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    vec![
        ("gpt-2", own(&[GPT2])),
        ("starcoder", own(&[r"\p{N}", GPT2])),
        (
            "falcon",
            own(&[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"]),
        ),
        (
            "default",
            own(&[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
        ),
        (
            "llama-bpe",
            vec![format!(
                r"{ANY_CASE}|{WORD}|\p{{N}}{{1,3}}|{SIGNS}|{SPACES}"
            )],
        ),
        (
            "qwen2",
            vec![format!(r"{ANY_CASE}|{WORD}|\p{{N}}|{SIGNS}|{SPACES}")],
        ),
        (
            "qwen35",
            vec![format!(
                r"{ANY_CASE}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{SPACES}"
            )],
        ),
        (
            "deepseek-v3",
            own(&[
                r"\p{N}{1,3}",
                "[一-龥\u{3040}-ゟ゠-ヿ]+",
                r"[!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ]),
        ),
        (
            "tekken",
            vec![format!(
                r"{CASED}|{CASED_END}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{SPACES}"
            )],
        ),
        (
            "gpt-4o",
            vec![format!(
                r"{CASED}{ANY_CASE}?|{CASED_END}{ANY_CASE}?|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{SPACES}"
            )],
        ),
        (
            "exaone-moe",
            vec![format!(
                r"{ANY_CASE}|[^\r\n\p{{L}}\p{{N}}]?(?:\p{{L}}\p{{M}}*(?: \p{{L}}\p{{M}}*)*)+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
            )],
        ),
        (
            "jais-2",
            vec![format!(
                r"{ANY_CASE}|{WORD}|\p{{N}}{{1,3}}|{SIGNS}|\s*[\r\n]+|\s{{512}}(?!\S)|\s{{256}}(?!\S)|\s{{128}}(?!\S)|\s{{64}}(?!\S)|\s{{32}}(?!\S)|\s{{16}}(?!\S)|\s{{8}}(?!\S)|\s{{4}}(?!\S)|\s{{1,2}}(?!\S)|\s{{1}}"
            )],
        ),
        ("superbpe", own(&[r"\p{N}+", r"(?=([0-9]{3})+(?![0-9]))"])),
        ("bloom", own(&[" ?[^(\\s|.,!?…。，、।۔،)]+"])),
        (
            "laguna",
            vec![
                "[^\n]+|[\n]+".to_owned(),
                format!(r"{ANY_CASE}|{WORD}|\p{{N}}|{SIGNS}|{SPACES}"),
            ],
        ),
        (
            "chameleon",
            own(&[
                "<sentinel:[0-9]+>",
                "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
                "([\\t\\n]|    |  )",
                r"\p{N}",
                r"[\p{P}!-/:-@\[-`{-~]",
                GPT2,
            ]),
        ),
    ]
}

/// The patterns, compiled once for all cases.
static COMPILED: LazyLock<Vec<(&str, Vec<Regex>)>> = LazyLock::new(|| {
    let compile = |pattern: &String| Regex::new(pattern).unwrap();
    let compiled = patterns().into_iter();
    compiled
        .map(|(name, patterns)| (name, patterns.iter().map(compile).collect()))
        .collect()
});

fn check(text: &str) {
    for (name, patterns) in &*COMPILED {
        assert_eq!(
            split(name, text),
            split_by_regex(patterns, text),
            "{name}: {text:?}"
        );
    }
}

#[test]
fn known_corners_split_like_the_patterns() {
    for text in [
        "",
        "It's WE'LL they'Ve 'sss ''t 'x",
        "a  b   c \n\n  d \r\n\t",
        "AéBCaB ÉcoleÉCOLE X",
        "1234567 x12 १२३४ ²",
        "!!\n\n?? /a//b ./ ~`^",
        "<sentinel:12><sentinel:> IMGIMGABZ IMGIMGABCDEZ",
        "a\u{301}b \u{301}\u{301} \u{200d}",
    ] {
        check(text);
    }
}

#[test]
fn a_long_run_of_spaces_is_cut_in_known_sizes() {
    let lengths = |count: usize, rest: &str| -> Vec<usize> {
        let text = format!("a{}{rest}", " ".repeat(count));
        split("jais-2", &text).iter().map(String::len).collect()
    };
    assert_eq!(lengths(600, "b"), [1, 512, 64, 16, 4, 2, 1, " b".len()]);
    assert_eq!(lengths(600, ""), [1, 512, 64, 16, 8]);
}

#[test]
fn every_name_is_found_once() {
    let names: Vec<&str> = known_names().collect();
    assert!(names.len() > 90, "{}", names.len());
    for name in &names {
        assert_eq!(
            names.iter().filter(|other| *other == name).count(),
            1,
            "{name}"
        );
        named(name).unwrap();
    }
    assert!(named("nonsense").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn splits_like_the_patterns(text in "([ \n\t\r'/a-dA-DsStTlL0-9éÉß中अ\u{301}²!.<=\u{a0}]| ?\\PC){0,24}") {
        // Characters newer than the tables of the vocabularies are no letters there.
        prop_assume!(text.chars().all(|c| crate::tokenizer::character::categories(c.into()) != 0));
        check(&text);
    }
}
