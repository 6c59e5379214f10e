//! Qwen 3: Qwen 2 without biases, with a norm on every query and key head.

use super::{Family, qwen2};

pub(super) static FAMILY: Family = Family {
    gguf: &["qwen3"],
    huggingface: &["Qwen3ForCausalLM"],
    gguf_tensors: &[],
    huggingface_tensors: &[],
    huggingface_norms_add_one: false,
    load: qwen2::load,
};
