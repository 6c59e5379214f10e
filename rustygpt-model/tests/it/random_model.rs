//! Llama models of random weights in any type, as GGUF files: what is computed with them means
//! nothing, but it must be the same every time.

use crate::gguf_builder::{Gguf, kind};
use half::{bf16, f16};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use rustygpt_model::weights::ElementType;
use std::path::{Path, PathBuf};

/// Tokens that the models know.
pub(crate) const VOCABULARY: usize = 272;
/// One block of the largest blocks there are.
const HIDDEN: u64 = 256;
const LAYERS: u32 = 2;

/// Writes a model into `folder`; the types of attention, of the feed-forward network and of the
/// output are repeated if there are fewer than three.
pub(crate) fn write(folder: &Path, types: &[ElementType]) -> PathBuf {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let of = |part: usize| types[part % types.len()];
    let epsilon = 1e-5_f32.to_le_bytes();
    let mut gguf = Gguf::new()
        .text("general.architecture", "llama")
        .number("llama.block_count", LAYERS)
        .number("llama.context_length", 1024)
        .number("llama.embedding_length", HIDDEN as u32)
        .number("llama.feed_forward_length", HIDDEN as u32)
        .number("llama.attention.head_count", 4)
        .number("llama.attention.head_count_kv", 2)
        .entry(
            "llama.attention.layer_norm_rms_epsilon",
            kind::F32,
            &epsilon,
        );
    let mut matrix = |gguf: Gguf, name: &str, outputs: u64, element: ElementType| {
        let weights = weights(&mut random, element, outputs * HIDDEN);
        let number = element.ggml_number().unwrap();
        gguf.filled(
            &format!("{name}.weight"),
            &[HIDDEN, outputs],
            number,
            weights,
        )
    };
    let ones = 1_f32.to_le_bytes().repeat(HIDDEN as usize);
    let norm = |gguf: Gguf, name: &str| {
        let number = ElementType::F32.ggml_number().unwrap();
        gguf.filled(&format!("{name}.weight"), &[HIDDEN], number, ones.clone())
    };
    gguf = matrix(gguf, "token_embd", VOCABULARY as u64, of(2));
    for layer in 0..LAYERS {
        let name = |part: &str| format!("blk.{layer}.{part}");
        gguf = norm(gguf, &name("attn_norm"));
        for (part, outputs) in [("q", HIDDEN), ("k", HIDDEN / 2), ("v", HIDDEN / 2)] {
            gguf = matrix(gguf, &name(&format!("attn_{part}")), outputs, of(0));
        }
        gguf = matrix(gguf, &name("attn_output"), HIDDEN, of(0));
        gguf = norm(gguf, &name("ffn_norm"));
        for part in ["ffn_gate", "ffn_up", "ffn_down"] {
            gguf = matrix(gguf, &name(part), HIDDEN, of(1));
        }
    }
    gguf = norm(gguf, "output_norm");
    gguf = matrix(gguf, "output", VOCABULARY as u64, of(2));
    let names: Vec<_> = types.iter().map(|element| element.name()).collect();
    let path = folder.join(format!("{}.gguf", names.join("-")));
    std::fs::write(&path, gguf.bytes()).unwrap();
    path
}

/// So many weights, of about the size that real models have.
fn weights(random: &mut ChaCha8Rng, element: ElementType, count: u64) -> Vec<u8> {
    let mut number = || (random.next_u32() as f32 / u32::MAX as f32 - 0.5) * 0.2;
    let plain: Option<Vec<u8>> = match element {
        ElementType::F32 => Some((0..count).flat_map(|_| number().to_le_bytes()).collect()),
        ElementType::F16 => {
            let halves = (0..count).map(|_| f16::from_f32(number()));
            Some(halves.flat_map(f16::to_le_bytes).collect())
        }
        ElementType::BF16 => {
            let halves = (0..count).map(|_| bf16::from_f32(number()));
            Some(halves.flat_map(bf16::to_le_bytes).collect())
        }
        _ => None,
    };
    if let Some(plain) = plain {
        return plain;
    }
    let size = element.block_bytes() as usize;
    let mut bytes = vec![0; (count / element.block_elements()) as usize * size];
    random.fill_bytes(&mut bytes);
    // Random bits are quants as good as any; a block's scales make weights of them.
    let scales: &[(usize, f32)] = match element {
        ElementType::Q4_0 => &[(0, 0.012)],
        ElementType::Q8_0 => &[(0, 0.0008)],
        ElementType::Q4K => &[(0, 0.0003), (2, 0.0022)],
        ElementType::Q5K => &[(0, 0.000_15), (2, 0.0022)],
        ElementType::Q6K => &[(208, 0.000_05)],
        other => panic!("no scales for {other}"),
    };
    for block in bytes.chunks_exact_mut(size) {
        for &(offset, scale) in scales {
            block[offset..offset + 2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
        }
    }
    bytes
}
