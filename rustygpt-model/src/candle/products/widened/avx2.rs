//! Kernels for AVX2 with FMA and F16C: a tile's step is two registers.
#![expect(
    unsafe_code,
    reason = "loads from checked arrays have no safe intrinsic"
)]

use super::kernel::{Method, Shape, bytes_ahead, prefetch};
use super::panels::Form;
use super::{STRIP, TILE};
use half::{bf16, f16};
use std::arch::x86_64::*;

/// The shapes of kernels, none of more than six sums of two registers: with the weights and the
/// activations they fill the 16 there are.
macro_rules! shapes {
    ($block:ident) => {
        &[
            Shape {
                tiles: 2,
                blocks: &[
                    (1, $block::<1, 2>),
                    (2, $block::<2, 2>),
                    (3, $block::<3, 2>),
                ],
            },
            Shape {
                tiles: 1,
                blocks: &[
                    (2, $block::<2, 1>),
                    (4, $block::<4, 1>),
                    (6, $block::<6, 1>),
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

/// `bf16` weights.
pub(super) const BF16: Method<[[bf16; 2]; TILE]> = Method {
    shapes: shapes!(bf16_block),
    form: Form::F32(2),
};

/// The sums or the weights of a tile.
type Halves = [__m256; 2];

/// A kernel: `$step` adds one step of `TILES` groups, with `LANES` times `$words` words of
/// activations, to the sums.
macro_rules! kernel {
    ($name:ident, $group:ty, $words:literal, |$groups:ident, $x:ident, $sums:ident| $step:block) => {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn $name<const LANES: usize, const TILES: usize>(
            strip: &[[$group; STRIP]],
            first: usize,
            x: &[u32],
            sums: &mut [[f32; TILE]],
        ) {
            let (x, _) = x.as_chunks::<LANES>();
            let (x, _) = x.as_chunks::<$words>();
            let (places, _) = sums.as_chunks_mut::<TILES>();
            let mut $sums = [[[_mm256_setzero_ps(); 2]; TILES]; LANES];
            for (sums, place) in $sums.iter_mut().zip(&*places) {
                for (sum, place) in sums.iter_mut().zip(place) {
                    *sum = load(place);
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
                    unsafe {
                        _mm256_storeu_ps(place.as_mut_ptr(), sum[0]);
                        _mm256_storeu_ps(place.as_mut_ptr().add(8), sum[1]);
                    }
                }
            }
        }
    };
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(values: &[f32; TILE]) -> Halves {
    // SAFETY: 16 f32 are two times eight.
    unsafe {
        [
            _mm256_loadu_ps(values.as_ptr()),
            _mm256_loadu_ps(values.as_ptr().add(8)),
        ]
    }
}

/// Adds `weights · x` for each lane.
macro_rules! add {
    ($sums:ident, $weights:ident, $x:expr) => {
        for (sums, x) in $sums.iter_mut().zip($x) {
            let x = _mm256_set1_ps(f32::from_bits(*x));
            for (sum, weights) in sums.iter_mut().zip(&$weights) {
                sum[0] = _mm256_fmadd_ps(weights[0], x, sum[0]);
                sum[1] = _mm256_fmadd_ps(weights[1], x, sum[1]);
            }
        }
    };
}

kernel!(f32_block, [f32; TILE], 1, |groups, x, sums| {
    let weights = groups.each_ref().map(|group| load(group));
    add!(sums, weights, &x[0]);
});

kernel!(f16_block, [f16; TILE], 1, |groups, x, sums| {
    let weights: [Halves; TILES] = groups.each_ref().map(|group| {
        // SAFETY: 16 f16 are two times eight.
        unsafe {
            let first = group.as_ptr().cast::<__m128i>();
            [
                _mm256_cvtph_ps(_mm_loadu_si128(first)),
                _mm256_cvtph_ps(_mm_loadu_si128(first.add(1))),
            ]
        }
    });
    add!(sums, weights, &x[0]);
});

kernel!(bf16_block, [[bf16; 2]; TILE], 2, |groups, x, sums| {
    let pairs = groups.each_ref().map(|group| {
        // SAFETY: 32 bf16 are two times 16.
        unsafe {
            let first = group.as_ptr().cast::<__m256i>();
            [_mm256_loadu_si256(first), _mm256_loadu_si256(first.add(1))]
        }
    });
    let first: [Halves; TILES] =
        pairs.map(|pairs| pairs.map(|pairs| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs))));
    add!(sums, first, &x[0]);
    let upper = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
    let second: [Halves; TILES] =
        pairs.map(|pairs| pairs.map(|pairs| _mm256_castsi256_ps(_mm256_and_si256(pairs, upper))));
    add!(sums, second, &x[1]);
});
