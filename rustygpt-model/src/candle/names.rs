//! Tensor names: ours are llama.cpp's for most architectures; Hugging Face's files have others.

use std::borrow::Cow;

/// How a Hugging Face directory names its tensors.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Names {
    /// A decoder's, with the stems that its family names otherwise than most, of the model or of
    /// a layer: (llama.cpp's, theirs).
    Decoder(&'static [(&'static str, &'static str)]),
    /// BERT's and its kin's.
    Encoder,
}

impl Names {
    /// Hugging Face's name of the tensor that llama.cpp calls `canonical`, without the prefix that
    /// stands before the names of a model which was saved with a head.
    pub(crate) fn huggingface(self, canonical: &str) -> String {
        let (stem, suffix) = canonical.rsplit_once('.').unwrap_or((canonical, ""));
        let whole = match self {
            Self::Decoder(_) => decoder_whole(stem),
            Self::Encoder => encoder_whole(stem),
        };
        let overridden = self.overrides().iter().find(|(ours, _)| *ours == stem);
        if let Some(whole) = overridden.map(|(_, theirs)| *theirs).or(whole) {
            return format!("{whole}.{suffix}");
        }
        let Some((layer, part)) = stem
            .strip_prefix("blk.")
            .and_then(|rest| rest.split_once('.'))
        else {
            return canonical.to_owned();
        };
        let (layers, common): (_, &[_]) = match self {
            Self::Decoder(_) => ("layers", &DECODER_PARTS),
            Self::Encoder => ("encoder.layer", &ENCODER_PARTS),
        };
        let translated = self
            .overrides()
            .iter()
            .chain(common)
            .find(|(ours, _)| *ours == part)
            .map_or(part, |(_, theirs)| theirs);
        match WITHOUT_SUFFIX.contains(&part) {
            true => format!("{layers}.{layer}.{translated}"),
            false => format!("{layers}.{layer}.{translated}.{suffix}"),
        }
    }

    fn overrides(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Decoder(overrides) => overrides,
            Self::Encoder => &[],
        }
    }

    /// What may stand before these names, the likeliest first.
    pub(crate) fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Decoder(_) => &["model.", ""],
            Self::Encoder => &["", "bert.", "roberta."],
        }
    }
}

/// The name in a GGUF file of the tensor that most architectures call `canonical`. `others` are
/// the stems by which this one differs, of the model or of a layer: (most, this one).
pub(crate) fn gguf<'a>(canonical: &'a str, others: &[(&str, &str)]) -> Cow<'a, str> {
    let (stem, suffix) = canonical.rsplit_once('.').unwrap_or((canonical, ""));
    let layer = stem
        .strip_prefix("blk.")
        .and_then(|rest| rest.split_once('.'));
    let part = layer.map_or(stem, |(_, part)| part);
    let is_taken = others.iter().any(|(_, other)| *other == part);
    match (others.iter().find(|(most, _)| *most == part), layer) {
        // A stem that stands for another's part stands for that alone; no tensor has no name.
        (None, _) if is_taken => Cow::Borrowed(""),
        (None, _) => Cow::Borrowed(canonical),
        (Some((_, other)), Some((layer, _))) => Cow::Owned(format!("blk.{layer}.{other}.{suffix}")),
        (Some((_, other)), None) => Cow::Owned(format!("{other}.{suffix}")),
    }
}

/// Parts of a layer that are no module's weight or bias in Hugging Face's files.
const WITHOUT_SUFFIX: [&str; 1] = ["attn_sinks"];

fn decoder_whole(stem: &str) -> Option<&'static str> {
    Some(match stem {
        "token_embd" => "embed_tokens",
        "output_norm" => "norm",
        "output" => "lm_head",
        _ => return None,
    })
}

fn encoder_whole(stem: &str) -> Option<&'static str> {
    Some(match stem {
        "token_embd" => "embeddings.word_embeddings",
        "position_embd" => "embeddings.position_embeddings",
        "token_types" => "embeddings.token_type_embeddings",
        "token_embd_norm" => "embeddings.LayerNorm",
        _ => return None,
    })
}

const DECODER_PARTS: [(&str, &str); 14] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_qkv", "self_attn.qkv_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("attn_sinks", "self_attn.sinks"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_gate_up", "mlp.gate_up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

const ENCODER_PARTS: [(&str, &str); 8] = [
    ("attn_q", "attention.self.query"),
    ("attn_k", "attention.self.key"),
    ("attn_v", "attention.self.value"),
    ("attn_output", "attention.output.dense"),
    ("attn_output_norm", "attention.output.LayerNorm"),
    ("ffn_up", "intermediate.dense"),
    ("ffn_down", "output.dense"),
    ("layer_output_norm", "output.LayerNorm"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_files_have() {
        let decoder = Names::Decoder(&[("attn_norm", "norm_before"), ("output_norm", "last")]);
        for (names, ours, theirs) in [
            (decoder, "output.weight", "lm_head.weight"),
            (decoder, "token_embd.weight", "embed_tokens.weight"),
            (
                decoder,
                "blk.3.attn_q.bias",
                "layers.3.self_attn.q_proj.bias",
            ),
            (
                decoder,
                "blk.0.attn_norm.weight",
                "layers.0.norm_before.weight",
            ),
            (decoder, "output_norm.weight", "last.weight"),
            (
                decoder,
                "blk.7.attn_sinks.weight",
                "layers.7.self_attn.sinks",
            ),
            (
                Names::Encoder,
                "token_embd_norm.bias",
                "embeddings.LayerNorm.bias",
            ),
            (
                Names::Encoder,
                "blk.11.attn_output_norm.weight",
                "encoder.layer.11.attention.output.LayerNorm.weight",
            ),
        ] {
            assert_eq!(names.huggingface(ours), theirs);
        }
    }

    #[test]
    fn an_architecture_may_call_its_tensors_otherwise_in_gguf_too() {
        let others = [("output_norm", "token_embd_norm"), ("ffn_norm", "second")];
        for (most, other) in [
            ("output_norm.weight", "token_embd_norm.weight"),
            ("blk.3.ffn_norm.bias", "blk.3.second.bias"),
            ("blk.3.attn_norm.weight", "blk.3.attn_norm.weight"),
            ("blk.3.second.weight", ""),
        ] {
            assert_eq!(gguf(most, &others), other);
        }
    }
}
