//! Splits text into the words that byte-level merges stay inside.
//!
//! A name in `tokenizer.ggml.pre` stands for a [`Recipe`]. Splitting is linear in the text and
//! cannot fail, whatever the text.

mod ranges;
mod recipes;
mod rule;
mod set;
mod step;
#[cfg(test)]
mod tests;

use super::character::{Cell, cells};
use super::error::TokenizerError;
use recipes as r;
use step::Step;

/// What a pre-tokenizer's name stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipe {
    steps: &'static [Step],
    /// A word that is a token as it stands is that token, whatever the merges say.
    pub(super) ignores_merges: bool,
    /// Prompts start with the beginning-of-sequence token unless the file says otherwise.
    pub(super) adds_bos: bool,
    /// Tokens are raw UTF-8 with `<0xXX>` for bytes, as in SentencePiece.
    pub(super) raw_text: bool,
    /// A space is written `▁`.
    pub(super) escapes_spaces: bool,
    /// Token 11 is not the default beginning of sequence.
    pub(super) no_default_bos: bool,
    /// A run of line breaks that is a token is that token.
    pub(super) line_break_tokens: bool,
}

const fn recipe(steps: &'static [Step]) -> Recipe {
    Recipe {
        steps,
        ignores_merges: false,
        adds_bos: false,
        raw_text: false,
        escapes_spaces: false,
        no_default_bos: false,
        line_break_tokens: false,
    }
}

impl Recipe {
    const fn ignoring_merges(mut self) -> Self {
        self.ignores_merges = true;
        self
    }

    const fn with_bos(mut self) -> Self {
        self.adds_bos = true;
        self
    }

    const fn raw(mut self) -> Self {
        self.raw_text = true;
        self
    }

    const fn with_line_break_tokens(mut self) -> Self {
        self.line_break_tokens = true;
        self
    }

    const fn escaping_spaces(mut self) -> Self {
        self.escapes_spaces = true;
        self
    }
}

type Named = (&'static [&'static str], Recipe);

/// All names of llama.cpp 0.7.0, in its order.
const RECIPES: &[Named] = &[
    (&["default", ""], recipe(r::DEFAULT)),
    (&["minicpm5"], recipe(r::MINICPM5).ignoring_merges()),
    (
        &[
            "llama3",
            "llama-v3",
            "llama-bpe",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
        recipe(r::LLAMA3).ignoring_merges().with_bos(),
    ),
    (&["deepseek-llm"], recipe(r::DEEPSEEK_LLM)),
    (&["deepseek-coder"], recipe(r::DEEPSEEK_CODER)),
    (
        &["deepseek-v3", "hunyuan-dense", "hy_v4", "joyai-llm"],
        recipe(r::DEEPSEEK3),
    ),
    (&["spark2_5"], recipe(r::SPARK)),
    (&["youtu"], recipe(r::YOUTU).ignoring_merges()),
    (&["falcon"], recipe(r::FALCON)),
    (
        &[
            "starcoder",
            "refact",
            "command-r",
            "smollm",
            "codeshell",
            "exaone",
            "minerva-7b",
            "mellum2",
        ],
        recipe(r::STARCODER),
    ),
    (
        &[
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "gigachat",
            "jina-v2-es",
            "jina-v2-de",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "jina-v1-en",
            "jina-v2-code",
            "roberta-bpe",
            "mpt",
            "olmo",
            "jais",
            "exaone4",
            "trillion",
            "granite-docling",
        ],
        recipe(r::GPT2),
    ),
    (&["jais-2"], recipe(r::JAIS2)),
    (
        &["gemma4", "granite-embed-multi-311m"],
        recipe(r::GEMMA4)
            .raw()
            .escaping_spaces()
            .with_line_break_tokens()
            .with_bos(),
    ),
    (
        &["mmbert"],
        recipe(r::GEMMA4)
            .raw()
            .escaping_spaces()
            .with_line_break_tokens(),
    ),
    (&["sarvam-moe"], recipe(r::GEMMA4).raw().escaping_spaces()),
    (&["whitespace"], recipe(r::NOT_SPACES).raw()),
    (
        &[
            "qwen2",
            "deepseek-r1-qwen",
            "kormo",
            "f2llmv2",
            "stablelm2",
            "megrez",
            "hunyuan",
            "solar-open",
            "grok-2",
            "bailingmoe",
            "bailingmoe2",
            "llada-moe",
        ],
        recipe(r::QWEN2),
    ),
    (&["qwen35"], recipe(r::QWEN35)),
    (&["dbrx", "smaug-bpe"], recipe(r::LLAMA3)),
    (
        &["chatglm-bpe", "glm4", "glm5"],
        Recipe {
            no_default_bos: true,
            ..recipe(r::LLAMA3)
        },
    ),
    (&["poro-chat", "bloom", "gpt3-finnish"], recipe(r::BLOOM)),
    (&["viking"], recipe(r::VIKING)),
    (&["tekken"], recipe(r::TEKKEN).ignoring_merges().with_bos()),
    (&["exaone-moe"], recipe(r::EXAONE_MOE)),
    (&["chameleon"], recipe(r::CHAMELEON).with_bos()),
    (
        &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
        recipe(r::GPT4O),
    ),
    (
        &["granite-embed-multi-97m"],
        recipe(r::GRANITE_MULTILINGUAL).ignoring_merges(),
    ),
    (&["tiny_aya", "cohere2moe"], recipe(r::TINY_AYA)),
    (&["superbpe"], recipe(r::SUPERBPE)),
    (&["seed-coder"], recipe(r::SEED_CODER)),
    (&["kimi-k2"], recipe(r::KIMI_K2)),
    (&["ufakzeka"], recipe(r::UFAKZEKA)),
    (&["afmoe"], recipe(r::AFMOE)),
    (&["laguna"], recipe(r::LAGUNA)),
    (&["k2-horizon"], recipe(r::K2_HORIZON)),
];

/// The recipe of a name.
pub(super) fn named(name: &str) -> Result<Recipe, TokenizerError> {
    let found = RECIPES.iter().find(|(names, _)| names.contains(&name));
    found
        .map(|&(_, recipe)| recipe)
        .ok_or_else(|| TokenizerError::Unknown {
            part: "pre-tokenizer",
            name: name.to_owned(),
            known: known_names().collect::<Vec<_>>().join(", "),
        })
}

impl Recipe {
    /// Kimi K2 files may come without merges.
    pub(super) fn needs_no_merges(&self) -> bool {
        matches!(self.steps, [Step::KimiK2])
    }
}

/// All names that [`named`] knows.
pub(super) fn known_names() -> impl Iterator<Item = &'static str> {
    RECIPES
        .iter()
        .flat_map(|(names, _)| names.iter().copied())
        .filter(|name| !name.is_empty())
}

impl Recipe {
    /// Calls `word` with each word of the text, in order; together they are the text.
    pub(super) fn split<'t>(&self, text: &'t str, mut word: impl FnMut(&'t str)) {
        let cells = cells(text);
        let mut ends = Vec::with_capacity(text.len() / 4 + 1);
        if !cells.is_empty() {
            ends.push(cells.len());
        }
        let mut next = Vec::with_capacity(ends.capacity());
        for step in self.steps {
            next.clear();
            let mut start = 0;
            for &end in &ends {
                step.split(&cells[start..end], |part| next.push(start + part));
                start = end;
            }
            std::mem::swap(&mut ends, &mut next);
        }
        let (mut from, mut cell) = (0, 0);
        for end in ends {
            let length: usize = cells[cell..end]
                .iter()
                .map(|&cell: &Cell| cell.utf8_length())
                .sum();
            if let Some(text) = text.get(from..from + length) {
                word(text);
            }
            (from, cell) = (from + length, end);
        }
    }
}
