//! Which passes each pre-tokenizer name stands for.
//!
//! Facts from llama.cpp 0.7.0 (src/llama-vocab.cpp, src/unicode.cpp) and from the tokenizer.json
//! files of the models it names.

use super::ranges;
use super::rule::{Rule, Run};
use super::set::Set;
use super::step::Step;

const LINE_BREAKS: Set = Set::new().ascii(b"\r\n");
const SPACE: Set = Set::new().ascii(b" ");
const SPACES: Set = Set::new().spaces();
const LETTERS: Set = Set::new().letters();
const LETTERS_AND_MARKS: Set = Set::new().letters().marks();
const NUMBERS: Set = Set::new().numbers();
/// `[^\r\n\p{L}\p{N}]`
const LEAD: Set = Set::new().ascii(b"\r\n").letters().numbers().negated();
/// `[^\s\p{L}\p{N}]`
const MARKS_OF_TEXT: Set = Set::new().spaces().letters().numbers().negated();
const BREAKS_AND_SLASH: Set = Set::new().ascii(b"\r\n/");

const NUMBER: Rule = Rule::Run(Run::of(NUMBERS).limit(1));
const UP_TO_THREE: Rule = Rule::Run(Run::of(NUMBERS).limit(3));
const ALL_NUMBERS: Rule = Rule::Run(Run::of(NUMBERS));
const WORD: Rule = Rule::Run(Run::of(LETTERS).lead(LEAD));
const MARKED_WORD: Rule = Rule::Run(Run::of(LETTERS_AND_MARKS).lead(LEAD).contraction());
/// ` ?[^\s\p{L}\p{N}]+[\r\n]*`
const SIGNS: Rule = Rule::Run(Run::of(MARKS_OF_TEXT).lead(SPACE).tail(LINE_BREAKS));
/// ` ?[^\s\p{L}\p{N}]+[\r\n/]*`
const SIGNS_AND_SLASH: Rule = Rule::Run(Run::of(MARKS_OF_TEXT).lead(SPACE).tail(BREAKS_AND_SLASH));
const ALL_SPACES: Rule = Rule::Run(Run::of(SPACES));
const ANY_CASE: Rule = Rule::Contraction { any_case: true };
const HAN_AND_KANA: Rule = Rule::Run(Run::of(Set::new().ranges(ranges::HAN_AND_KANA)));
/// `[0-9][0-9][0-9]`
const THREE_DIGITS: Rule = Rule::Run(Run::of(Set::new().ascii_span(b'0', b'9')).exactly(3));
const NO_BREAK: Set = Set::new().ascii(b"\n").negated();
const BREAK: Set = Set::new().ascii(b"\n");

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
const GPT2_RULES: &[Rule] = &[
    Rule::Contraction { any_case: false },
    Rule::Run(Run::of(LETTERS).lead(SPACE)),
    Rule::Run(Run::of(NUMBERS).lead(SPACE)),
    Rule::Run(Run::of(MARKS_OF_TEXT).lead(SPACE)),
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
];

const LLAMA3_RULES: &[Rule] = &[
    ANY_CASE,
    WORD,
    UP_TO_THREE,
    SIGNS,
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
];

const QWEN2_RULES: &[Rule] = &[
    ANY_CASE,
    WORD,
    NUMBER,
    SIGNS,
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
];

/// `[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+`
const DEEPSEEK_WORD: Rule = Rule::Run(
    Run::of(LETTERS_AND_MARKS).lead(
        Set::new()
            .ascii(b"\r\n")
            .letters()
            .punctuation()
            .symbols()
            .negated(),
    ),
);
/// One ASCII sign with the ASCII letters behind it.
const DEEPSEEK_NAME: Rule = Rule::Run(
    Run::of(Set::new().ascii_span(b'A', b'Z').ascii_span(b'a', b'z')).after(
        Set::new()
            .ascii_span(b'!', b'/')
            .ascii_span(b':', b'@')
            .ascii_span(b'[', b'`')
            .ascii_span(b'{', b'~'),
    ),
);
const DEEPSEEK_SIGNS: Run = Run::of(Set::new().punctuation().symbols()).lead(SPACE);
const DEEPSEEK_RULES: &[Rule] = &[
    DEEPSEEK_NAME,
    DEEPSEEK_WORD,
    Rule::Run(DEEPSEEK_SIGNS.tail(LINE_BREAKS)),
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
];

pub(super) const KIMI_K2_REST: &[Rule] = &[
    UP_TO_THREE,
    SIGNS,
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
];

pub(super) const GPT2: &[Step] = &[Step::Isolate(GPT2_RULES)];
pub(super) const LLAMA3: &[Step] = &[Step::Isolate(LLAMA3_RULES)];
pub(super) const QWEN2: &[Step] = &[Step::Isolate(QWEN2_RULES)];

pub(super) const DEFAULT: &[Step] = &[
    Step::Isolate(&[Rule::Run(Run::of(
        Set::new().punctuation().ascii(b"$+<=>^~|"),
    ))]),
    Step::Isolate(GPT2_RULES),
    Step::Isolate(&[ALL_NUMBERS]),
    Step::Isolate(&[THREE_DIGITS]),
];

pub(super) const FALCON: &[Step] = &[
    Step::Isolate(&[Rule::Run(Run::of(
        Set::new().punctuation().ascii(b"$+<=>^~|`"),
    ))]),
    Step::Isolate(GPT2_RULES),
    Step::Isolate(&[THREE_DIGITS]),
];

pub(super) const STARCODER: &[Step] = &[Step::Isolate(&[NUMBER]), Step::Isolate(GPT2_RULES)];

pub(super) const DEEPSEEK_LLM: &[Step] = &[
    Step::Isolate(&[Rule::Run(Run::of(LINE_BREAKS).limit(1))]),
    Step::Isolate(&[Rule::Run(
        Run::of(
            Set::new()
                .ascii_span(b'A', b'Z')
                .ascii_span(b'a', b'z')
                .ranges(ranges::CASED_LETTERS),
        )
        .lead(SPACES),
    )]),
    Step::Isolate(&[Rule::Run(
        Run::of(
            Set::new()
                .ascii_span(b'!', b'/')
                .ascii_span(b':', b'~')
                .ranges(ranges::WIDE_PUNCTUATION),
        )
        .lead(SPACES),
    )]),
    Step::Isolate(&[Rule::SpacesAtEnd]),
    Step::Isolate(&[Rule::Run(Run::of(
        Set::new().ranges(ranges::DEEPSEEK_ASIAN),
    ))]),
    Step::Isolate(&[ALL_NUMBERS]),
];

pub(super) const DEEPSEEK_CODER: &[Step] = &[
    Step::Isolate(&[Rule::Run(Run::of(LINE_BREAKS).limit(1))]),
    Step::Isolate(&[Rule::Run(Run::of(LETTERS).lead(SPACES))]),
    Step::Isolate(&[Rule::Run(Run::of(Set::new().punctuation()).lead(SPACES))]),
    Step::Isolate(&[Rule::Run(Run::of(
        Set::new().ranges(ranges::DEEPSEEK_ASIAN),
    ))]),
    Step::Isolate(&[NUMBER]),
];

pub(super) const DEEPSEEK3: &[Step] = &[
    Step::Isolate(&[UP_TO_THREE]),
    Step::Isolate(&[HAN_AND_KANA]),
    Step::Isolate(DEEPSEEK_RULES),
];

pub(super) const SPARK: &[Step] = &[
    Step::Isolate(&[UP_TO_THREE]),
    Step::Isolate(&[HAN_AND_KANA]),
    Step::Isolate(&[
        DEEPSEEK_NAME,
        DEEPSEEK_WORD,
        Rule::Run(DEEPSEEK_SIGNS),
        Rule::Run(Run::of(LINE_BREAKS).limit(1)),
        Rule::SpacesBeforeSpace,
        ALL_SPACES,
    ]),
    Step::Isolate(&[NUMBER]),
];

pub(super) const YOUTU: &[Step] = &[
    Step::Isolate(&[
        Rule::Run(Run::of(Set::new().ranges(ranges::HANGUL))),
        Rule::Run(Run::of(Set::new().ranges(ranges::CHINESE_PUNCTUATION))),
        Rule::Run(Run::of(Set::new().ranges(ranges::BOPOMOFO))),
        HAN_AND_KANA,
    ]),
    Step::Isolate(&[
        MARKED_WORD,
        NUMBER,
        SIGNS_AND_SLASH,
        Rule::Newlines,
        Rule::SpacesBeforeSpace,
        ALL_SPACES,
    ]),
];

pub(super) const JAIS2: &[Step] = &[Step::Isolate(&[
    ANY_CASE,
    WORD,
    UP_TO_THREE,
    SIGNS,
    Rule::Newlines,
    Rule::SpaceCascade,
])];

/// `[\p{L}\p{M}]` for words and everything but `\p{M}` for signs.
pub(super) const QWEN35: &[Step] = &[Step::Isolate(&[
    ANY_CASE,
    Rule::Run(Run::of(LETTERS_AND_MARKS).lead(LEAD)),
    NUMBER,
    Rule::Run(
        Run::of(Set::new().spaces().letters().marks().numbers().negated())
            .lead(SPACE)
            .tail(LINE_BREAKS),
    ),
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
])];

const BLOOM_WORD: Rule = Rule::Run(
    Run::of(
        Set::new()
            .spaces()
            .ascii(b"(|.,!?)")
            .ranges(ranges::BLOOM_STOPS)
            .negated(),
    )
    .lead(SPACE),
);
pub(super) const BLOOM: &[Step] = &[Step::Isolate(&[BLOOM_WORD])];
pub(super) const VIKING: &[Step] = &[Step::Isolate(&[BLOOM_WORD]), Step::Isolate(&[NUMBER])];

pub(super) const TEKKEN: &[Step] = &[Step::Isolate(&[
    Rule::CasedWord {
        body: LETTERS,
        contraction: false,
    },
    NUMBER,
    SIGNS_AND_SLASH,
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
])];

pub(super) const GPT4O: &[Step] = &[Step::Isolate(&[
    Rule::CasedWord {
        body: LETTERS,
        contraction: true,
    },
    UP_TO_THREE,
    SIGNS_AND_SLASH,
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
])];

pub(super) const GRANITE_MULTILINGUAL: &[Step] = &[Step::Isolate(&[
    Rule::CasedWord {
        body: LETTERS_AND_MARKS,
        contraction: true,
    },
    UP_TO_THREE,
    SIGNS_AND_SLASH,
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
])];

pub(super) const TINY_AYA: &[Step] = &[
    Step::GroupWholeNumbers,
    Step::Isolate(&[
        MARKED_WORD,
        UP_TO_THREE,
        SIGNS_AND_SLASH,
        Rule::Newlines,
        Rule::SpacesBeforeSpace,
        ALL_SPACES,
    ]),
];

pub(super) const CHAMELEON: &[Step] = &[
    Step::Isolate(&[Rule::Sentinel]),
    Step::Isolate(&[Rule::ImageName]),
    Step::Isolate(&[
        Rule::Run(Run::of(Set::new().ascii(b"\t\n")).limit(1)),
        Rule::Literal(b"    "),
        Rule::Literal(b"  "),
    ]),
    Step::Isolate(&[NUMBER]),
    Step::Isolate(&[Rule::Run(
        Run::of(
            Set::new()
                .punctuation()
                .ascii_span(b'!', b'/')
                .ascii_span(b':', b'@')
                .ascii_span(b'[', b'`')
                .ascii_span(b'{', b'~'),
        )
        .limit(1),
    )]),
    Step::Isolate(GPT2_RULES),
];

pub(super) const KIMI_K2: &[Step] = &[Step::KimiK2];
pub(super) const SUPERBPE: &[Step] = &[Step::Isolate(&[ALL_NUMBERS]), Step::GroupDigitsFromRight];

pub(super) const SEED_CODER: &[Step] = &[Step::Isolate(&[
    ANY_CASE,
    WORD,
    NUMBER,
    Rule::Run(Run::of(MARKS_OF_TEXT).lead(SPACE)),
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
])];

pub(super) const UFAKZEKA: &[Step] = &[Step::Isolate(&[
    WORD,
    NUMBER,
    SIGNS,
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
])];

pub(super) const AFMOE: &[Step] = &[
    Step::GroupNumbersFromRight,
    Step::Isolate(&[Rule::Run(Run::of(Set::new().ranges(ranges::ASIAN_SCRIPTS)))]),
    Step::Isolate(DEEPSEEK_RULES),
];

const LINES: Step = Step::Isolate(&[Rule::Run(Run::of(NO_BREAK)), Rule::Run(Run::of(BREAK))]);
pub(super) const LAGUNA: &[Step] = &[LINES, Step::Isolate(QWEN2_RULES)];
pub(super) const GEMMA4: &[Step] = &[LINES];

pub(super) const EXAONE_MOE: &[Step] = &[Step::Isolate(&[
    ANY_CASE,
    Rule::SpacedWords,
    NUMBER,
    Rule::Run(
        Run::of(MARKS_OF_TEXT)
            .lead(SPACE)
            .tail_once(BREAKS_AND_SLASH),
    ),
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
])];

pub(super) const MINICPM5: &[Step] = &[
    Step::Isolate(&[UP_TO_THREE]),
    Step::Isolate(&[
        ANY_CASE,
        WORD,
        ALL_NUMBERS,
        SIGNS,
        Rule::Newlines,
        Rule::SpacesBeforeSpace,
        ALL_SPACES,
    ]),
];

pub(super) const K2_HORIZON: &[Step] = &[Step::Isolate(&[
    ANY_CASE,
    Rule::Run(Run::of(LETTERS_AND_MARKS.ranges(ranges::JOINERS)).lead(LEAD)),
    UP_TO_THREE,
    SIGNS,
    Rule::Newlines,
    Rule::SpacesBeforeSpace,
    ALL_SPACES,
])];

pub(super) const NOT_SPACES: &[Step] = &[Step::Isolate(&[Rule::Run(Run::of(SPACES.negated()))])];
