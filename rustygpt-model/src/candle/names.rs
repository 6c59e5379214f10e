//! Tensor names: ours are llama.cpp's; Hugging Face's files have others.

/// How a Hugging Face directory names its tensors.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Names {
    /// A decoder's, with the stems of a layer that its family names otherwise than most:
    /// (llama.cpp's, theirs).
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
        if let Some(whole) = whole {
            return format!("{whole}.{suffix}");
        }
        let Some((layer, part)) = stem
            .strip_prefix("blk.")
            .and_then(|rest| rest.split_once('.'))
        else {
            return canonical.to_owned();
        };
        let (layers, overrides, common): (_, &[_], &[_]) = match self {
            Self::Decoder(overrides) => ("layers", overrides, &DECODER_PARTS),
            Self::Encoder => ("encoder.layer", &[], &ENCODER_PARTS),
        };
        let translated = overrides
            .iter()
            .chain(common)
            .find(|(ours, _)| *ours == part)
            .map_or(part, |(_, theirs)| theirs);
        format!("{layers}.{layer}.{translated}.{suffix}")
    }

    /// What may stand before these names, the likeliest first.
    pub(crate) fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Decoder(_) => &["model.", ""],
            Self::Encoder => &["", "bert.", "roberta."],
        }
    }
}

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

const DECODER_PARTS: [(&str, &str); 13] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_qkv", "self_attn.qkv_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
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
        let decoder = Names::Decoder(&[("attn_norm", "norm_before")]);
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
}
