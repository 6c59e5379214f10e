//! Kernels in plain Rust: the specification of the others, and what serves where there are none.

use super::kernel::{Method, Shape, widen};
use super::panels::Form;
use super::{STRIP, TILE};
use half::{bf16, f16};

/// `f32` weights.
pub(super) const F32: Method<[f32; TILE]> = Method {
    shapes: &[Shape {
        tiles: 1,
        blocks: &[(1, f32_block::<1>), (4, f32_block::<4>)],
    }],
    form: Form::F32(1),
};

/// `f16` weights.
pub(super) const F16: Method<[f16; TILE]> = Method {
    shapes: &[Shape {
        tiles: 1,
        blocks: &[(1, f16_block::<1>), (4, f16_block::<4>)],
    }],
    form: Form::F32(1),
};

/// `bf16` weights.
pub(super) const BF16: Method<[[bf16; 2]; TILE]> = Method {
    shapes: &[Shape {
        tiles: 1,
        blocks: &[(1, bf16_block::<1>), (4, bf16_block::<4>)],
    }],
    form: Form::F32(2),
};

fn f32_block<const LANES: usize>(
    strip: &[[[f32; TILE]; STRIP]],
    tile: usize,
    x: &[u32],
    sums: &mut [[f32; TILE]],
) {
    for (groups, x) in strip.iter().zip(x.as_chunks::<LANES>().0) {
        add(&groups[tile], x, sums);
    }
}

fn f16_block<const LANES: usize>(
    strip: &[[[f16; TILE]; STRIP]],
    tile: usize,
    x: &[u32],
    sums: &mut [[f32; TILE]],
) {
    for (groups, x) in strip.iter().zip(x.as_chunks::<LANES>().0) {
        add(&groups[tile].map(f16::to_f32), x, sums);
    }
}

fn bf16_block<const LANES: usize>(
    strip: &[[[[bf16; 2]; TILE]; STRIP]],
    tile: usize,
    x: &[u32],
    sums: &mut [[f32; TILE]],
) {
    let (x, _) = x.as_chunks::<LANES>();
    for (groups, x) in strip.iter().zip(x.as_chunks::<2>().0) {
        add(&groups[tile].map(|pair| widen(pair[0])), &x[0], sums);
        add(&groups[tile].map(|pair| widen(pair[1])), &x[1], sums);
    }
}

/// Adds one step of one tile to the sums of all lanes.
#[inline(always)]
fn add<const LANES: usize>(weights: &[f32; TILE], x: &[u32; LANES], sums: &mut [[f32; TILE]]) {
    for (sums, x) in sums.iter_mut().zip(x) {
        let x = f32::from_bits(*x);
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += weight * x;
        }
    }
}
