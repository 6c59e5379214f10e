//! The tokens with a role: beginning and end of sequence, end of turn, fill-in-the-middle.
//!
//! The names and their order are llama.cpp's 0.7.0 (src/llama-vocab.cpp): files rarely say which
//! tokens end a generation, so known names do.

use std::collections::BTreeSet;

use super::vocabulary::{Vocabulary, attribute};
use crate::weights::Metadata;

/// Names of an end-of-turn token.
const END_OF_TURN: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
];
const END_OF_MESSAGE: &[&str] = &["<|eom_id|>"];
const FIM_PREFIX: &[&str] = &[
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<PRE>",
    "▁<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
    "<|plamo:fim_prefix|>",
];
const FIM_SUFFIX: &[&str] = &[
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<SUF>",
    "▁<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
    "<|plamo:fim_suffix|>",
];
const FIM_MIDDLE: &[&str] = &[
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
    "<MID>",
    "▁<MID>",
    "<|code_middle|>",
    "<|middle|>",
    "<|plamo:fim_middle|>",
];
const FIM_PADDING: &[&str] = &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"];
const FIM_REPOSITORY: &[&str] = &[
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
];
const FIM_SEPARATOR: &[&str] = &["<|file_sep|>", "<|plamo:file_separator|>"];

/// Names of tokens that end a generation wherever they exist.
pub(super) const END_OF_GENERATION: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
    "<|ifm|im_end|>",
];

/// Control tokens of the harmony format that a reader of the stream must see.
const ALWAYS_SHOWN: &[&str] = &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/// The ids of the three tokens between which a model fills in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillInMiddle {
    /// Before the text that comes first.
    pub prefix: u32,
    /// Before the text that comes last.
    pub suffix: u32,
    /// Before the text to write.
    pub middle: u32,
}

/// Tokens by role.
#[derive(Clone, Debug, Default)]
pub(super) struct Special {
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) unknown: Option<u32>,
    pub(super) fill_in_middle: Option<FillInMiddle>,
    pub(super) adds_bos: bool,
    /// What stands behind a text that is to be read whole.
    pub(super) closing: Option<u32>,
    pub(super) end_of_generation: Vec<u32>,
}

/// The ids a kind of tokenizer has unless the file says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Defaults {
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) unknown: Option<u32>,
    pub(super) adds_bos: bool,
}

impl Special {
    /// Reads the roles from the file and finds the rest by name. Tokens found by name become
    /// control tokens, as llama.cpp makes them.
    pub(super) fn read(
        metadata: &Metadata,
        vocabulary: &mut Vocabulary,
        defaults: Defaults,
    ) -> Self {
        let count = vocabulary.len() as u64;
        let read = |key: &str, default: Option<u32>| {
            let default = default.filter(|&id| u64::from(id) < count);
            let id = metadata.unsigned(&format!("tokenizer.ggml.{key}_token_id"));
            id.filter(|&id| id < count).map(|id| id as u32).or(default)
        };
        let is_bert = metadata.string("tokenizer.ggml.model") == Some("bert");
        let class = || read("cls", None).filter(|_| is_bert);
        let bos = read("bos", None)
            .or_else(class)
            .or_else(|| read("bos", defaults.bos));
        let eos = read("eos", defaults.eos);
        let by_name = |vocabulary: &mut Vocabulary, key: &[&str], names: &[&str]| {
            if let Some(id) = key.iter().find_map(|key| read(key, None)) {
                return Some(id);
            }
            let id = names.iter().find_map(|name| vocabulary.id_of(name))?;
            let attributes = vocabulary.attributes(id);
            vocabulary.set_attributes(id, attributes | attribute::CONTROL);
            Some(id)
        };
        let eot = by_name(vocabulary, &["eot"], END_OF_TURN);
        let eom = by_name(vocabulary, &["eom"], END_OF_MESSAGE);
        let prefix = by_name(vocabulary, &["prefix", "fim_pre"], FIM_PREFIX);
        let suffix = by_name(vocabulary, &["suffix", "fim_suf"], FIM_SUFFIX);
        let middle = by_name(vocabulary, &["middle", "fim_mid"], FIM_MIDDLE);
        let padding = by_name(vocabulary, &["fim_pad"], FIM_PADDING);
        let repository = by_name(vocabulary, &["fim_rep"], FIM_REPOSITORY);
        let file = by_name(vocabulary, &["fim_sep"], FIM_SEPARATOR);

        let mut ends: BTreeSet<u32> = [padding, repository, file].into_iter().flatten().collect();
        for name in END_OF_GENERATION {
            let Some(id) = vocabulary.id_of(name) else {
                continue;
            };
            let attributes = vocabulary.attributes(id);
            vocabulary.set_attributes(id, attributes | attribute::CONTROL);
            ends.insert(id);
        }
        for name in ALWAYS_SHOWN {
            if let Some(id) = vocabulary.id_of(name) {
                vocabulary.set_attributes(id, attribute::USER_DEFINED);
            }
        }
        ends.extend([eos, eot, eom].into_iter().flatten());
        leave_out(vocabulary, &mut ends);

        let fill_in_middle = match (prefix, suffix, middle) {
            (Some(prefix), Some(suffix), Some(middle)) => Some(FillInMiddle {
                prefix,
                suffix,
                middle,
            }),
            _ => None,
        };
        let adds_bos = metadata
            .boolean("tokenizer.ggml.add_bos_token")
            .unwrap_or(defaults.adds_bos);
        // BERT's words are closed by a separator, whose key llama.cpp misspells.
        let closing = if is_bert {
            read("seperator", None)
                .or_else(|| read("separator", None))
                .or_else(|| vocabulary.id_of("[SEP]"))
        } else {
            let adds_eos = metadata.boolean("tokenizer.ggml.add_eos_token");
            eos.filter(|_| adds_eos.unwrap_or(false))
        };
        Self {
            bos,
            eos,
            closing,
            unknown: read("unknown", defaults.unknown),
            fill_in_middle,
            adds_bos: adds_bos && bos.is_some(),
            end_of_generation: ends.into_iter().collect(),
        }
    }
}

impl Special {
    /// What stands before and behind a text that is read whole.
    pub(super) fn frame(&self) -> (&[u32], &[u32]) {
        let before = self.bos.as_slice();
        let before = if self.adds_bos { before } else { &[] };
        (before, self.closing.as_slice())
    }
}

/// Tokens whose name ends a generation in other models but not in this one.
fn leave_out(vocabulary: &mut Vocabulary, ends: &mut BTreeSet<u32>) {
    let (message_end, text_end) =
        not_ending(|name| vocabulary.id_of(name).filter(|id| ends.contains(id)));
    if let Some(id) = message_end {
        ends.remove(&id);
        vocabulary.set_attributes(id, attribute::USER_DEFINED);
    }
    if let Some(id) = text_end {
        ends.remove(&id);
        vocabulary.set_attributes(id, attribute::NORMAL);
    }
}

/// The same for a sorted list of ids.
pub(super) fn leave_out_by_name(ends: &mut Vec<u32>, id_of: impl Fn(&str) -> Option<u32>) {
    let (message_end, text_end) = not_ending(|name| id_of(name).filter(|id| ends.contains(id)));
    ends.retain(|&id| Some(id) != message_end && Some(id) != text_end);
}

fn not_ending(ending: impl Fn(&str) -> Option<u32>) -> (Option<u32>, Option<u32>) {
    // harmony and solar: `<|end|>` closes a message, not the answer.
    let calls = ending("<|call|>").or(ending("<|calls|>")).is_some();
    let closes = ending("<|return|>").or(ending("<|flush|>")).is_some();
    let message_end = ending("<|end|>").filter(|_| calls && closes);
    // gemma4 and plamo: `</s>` is ordinary text.
    let other_end = ending("<|tool_response>")
        .or(ending("<|plamo:eos|>"))
        .is_some();
    let text_end = ending("</s>").filter(|_| other_end);
    (message_end, text_end)
}

/// The tokens of fill-in-the-middle by their known names.
pub(super) fn fill_in_middle(id_of: impl Fn(&str) -> Option<u32>) -> Option<FillInMiddle> {
    let first = |names: &[&str]| names.iter().find_map(|name| id_of(name));
    Some(FillInMiddle {
        prefix: first(FIM_PREFIX)?,
        suffix: first(FIM_SUFFIX)?,
        middle: first(FIM_MIDDLE)?,
    })
}
