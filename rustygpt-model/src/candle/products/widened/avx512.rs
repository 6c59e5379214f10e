//! Kernels for AVX-512: a tile's step is one register.
#![expect(
    unsafe_code,
    reason = "loads from checked arrays have no safe intrinsic"
)]

use super::kernel::{Method, Shape, bytes_ahead, prefetch};
use super::panels::Form;
use super::{STRIP, TILE};
use half::{bf16, f16};
use std::arch::x86_64::*;

/// The shapes of kernels, none of more than 24 sums: with two to four registers of weights and one of
/// activations they fill the 32 there are. Few rows take four tiles at a time, so that memory has
/// four streams to fetch and the sums do not wait for each other.
macro_rules! shapes {
    ($block:ident) => {
        &[
            Shape {
                tiles: 4,
                blocks: &[
                    (1, $block::<1, 4>),
                    (2, $block::<2, 4>),
                    (3, $block::<3, 4>),
                    (4, $block::<4, 4>),
                    (6, $block::<6, 4>),
                ],
            },
            Shape {
                tiles: 2,
                blocks: &[
                    (4, $block::<4, 2>),
                    (8, $block::<8, 2>),
                    (12, $block::<12, 2>),
                ],
            },
        ]
    };
}

/// `f32` weights.
pub(super) const F32: Method<[f32; TILE]> = Method {
    shapes: shapes!(f32_block),
    form: Form::F32(1),
};

/// `f16` weights.
pub(super) const F16: Method<[f16; TILE]> = Method {
    shapes: shapes!(f16_block),
    form: Form::F32(1),
};

/// `bf16` weights, without instructions for them.
pub(super) const BF16: Method<[[bf16; 2]; TILE]> = Method {
    shapes: shapes!(bf16_block),
    form: Form::F32(2),
};

/// `bf16` weights with AVX512-BF16: two products of `bf16` with one instruction.
pub(super) const BF16_PAIRS: Method<[[bf16; 2]; TILE]> = Method {
    shapes: shapes!(bf16_pairs_block),
    form: Form::Bf16Pair,
};

/// A kernel: `$step` adds one step of `TILES` groups, with `LANES` times `$words` words of
/// activations, to the sums.
macro_rules! kernel {
    ($name:ident, $group:ty, $features:literal, $words:literal, |$groups:ident, $x:ident, $sums:ident| $step:block) => {
        #[target_feature(enable = $features)]
        fn $name<const LANES: usize, const TILES: usize>(
            strip: &[[$group; STRIP]],
            first: usize,
            x: &[u32],
            sums: &mut [[f32; TILE]],
        ) {
            let (x, _) = x.as_chunks::<LANES>();
            let (x, _) = x.as_chunks::<$words>();
            let (places, _) = sums.as_chunks_mut::<TILES>();
            let mut $sums = [[_mm512_setzero_ps(); TILES]; LANES];
            for (sums, place) in $sums.iter_mut().zip(&*places) {
                for (sum, place) in sums.iter_mut().zip(place) {
                    // SAFETY: the place is an array of 16 f32.
                    *sum = unsafe { _mm512_loadu_ps(place.as_ptr()) };
                }
            }
            let ahead = bytes_ahead(strip, first, TILES);
            for (groups, $x) in strip.iter().zip(x) {
                let Some($groups) = groups[first..].first_chunk::<TILES>() else {
                    break;
                };
                prefetch($groups, ahead);
                $step
            }
            for (sums, place) in $sums.iter().zip(places) {
                for (sum, place) in sums.iter().zip(place) {
                    // SAFETY: the place is an array of 16 f32.
                    unsafe { _mm512_storeu_ps(place.as_mut_ptr(), *sum) };
                }
            }
        }
    };
}

/// Adds `weights · x` for each lane.
macro_rules! add {
    ($sums:ident, $weights:ident, $x:expr) => {
        for (sums, x) in $sums.iter_mut().zip($x) {
            let x = _mm512_set1_ps(f32::from_bits(*x));
            for (sum, weights) in sums.iter_mut().zip(&$weights) {
                *sum = _mm512_fmadd_ps(*weights, x, *sum);
            }
        }
    };
}

kernel!(f32_block, [f32; TILE], "avx512f", 1, |groups, x, sums| {
    // SAFETY: a group is 16 f32.
    let weights = groups
        .each_ref()
        .map(|group| unsafe { _mm512_loadu_ps(group.as_ptr()) });
    add!(sums, weights, &x[0]);
});

kernel!(f16_block, [f16; TILE], "avx512f", 1, |groups, x, sums| {
    let weights = groups.each_ref().map(|group| {
        // SAFETY: a group is 16 f16.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(group.as_ptr().cast()) })
    });
    add!(sums, weights, &x[0]);
});

kernel!(
    bf16_block,
    [[bf16; 2]; TILE],
    "avx512f",
    2,
    |groups, x, sums| {
        // SAFETY: a group is 32 bf16.
        let pairs = groups
            .each_ref()
            .map(|group| unsafe { _mm512_loadu_si512(group.as_ptr().cast()) });
        let first = pairs.map(|pairs| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs)));
        add!(sums, first, &x[0]);
        let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
        let second = pairs.map(|pairs| _mm512_castsi512_ps(_mm512_and_si512(pairs, upper)));
        add!(sums, second, &x[1]);
    }
);

kernel!(
    bf16_pairs_block,
    [[bf16; 2]; TILE],
    "avx512f,avx512bf16",
    1,
    |groups, x, sums| {
        // SAFETY: a group is 32 bf16, and every vector of 512 bits is one of them.
        let weights = groups.each_ref().map(|group| unsafe {
            std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(group.as_ptr().cast()))
        });
        for (sums, x) in sums.iter_mut().zip(&x[0]) {
            let x = _mm512_set1_epi32(x.cast_signed());
            // SAFETY: as above.
            let x = unsafe { std::mem::transmute::<__m512i, __m512bh>(x) };
            for (sum, weights) in sums.iter_mut().zip(&weights) {
                *sum = _mm512_dpbf16_ps(*sum, *weights, x);
            }
        }
    }
);
