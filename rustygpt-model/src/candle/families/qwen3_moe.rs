//! Qwen 3 with experts: Qwen 3 whose layers have many small feed-forward networks.

use super::{Family, qwen2};

pub(super) static FAMILY: Family = Family {
    gguf: &["qwen3moe"],
    huggingface: &["Qwen3MoeForCausalLM"],
    gguf_tensors: &[],
    huggingface_tensors: &[("ffn_gate_inp", "mlp.gate")],
    huggingface_norms_add_one: false,
    load: qwen2::load,
};
