//! Eight numbers in a register of AVX2, with fused multiplication and half precision.

#![expect(unsafe_code, reason = "the processor's instructions")]

use super::{Kernel, Vector};
use std::arch::x86_64::*;

/// Runs instructions of the processor.
macro_rules! act {
    ($instructions:expr) => {
        // SAFETY: `dispatch` alone names this type, on processors with
        // AVX2, FMA and F16C; who loads and stores vouches for the elements.
        unsafe { $instructions }
    };
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(__m256);

/// Runs a kernel that is compiled for these instructions.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

impl Avx2 {
    /// Halves the vector until one element is left.
    #[inline(always)]
    fn reduce(self, f: impl Fn(__m128, __m128) -> __m128) -> f32 {
        act!({
            let four = f(
                _mm256_castps256_ps128(self.0),
                _mm256_extractf128_ps::<1>(self.0),
            );
            let two = f(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(f(two, _mm_shuffle_ps::<1>(two, two)))
        })
    }
}

impl Vector for Avx2 {
    const WIDTH: usize = 8;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(act!(_mm256_set1_ps(value)))
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(act!(_mm256_loadu_ps(from)))
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        Self(act!(_mm256_cvtph_ps(_mm_loadu_si128(from.cast()))))
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // The upper half of an `f32` is what a `bfloat16` is.
        Self(act!({
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }))
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        act!(_mm256_storeu_ps(to, self.0));
    }

    #[inline(always)]
    fn prefetch(address: *const u8) {
        act!(_mm_prefetch::<_MM_HINT_T0>(address.cast()));
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(act!(_mm256_add_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn subtract(self, other: Self) -> Self {
        Self(act!(_mm256_sub_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        Self(act!(_mm256_mul_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn divide(self, other: Self) -> Self {
        Self(act!(_mm256_div_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, addend: Self) -> Self {
        Self(act!(_mm256_fmadd_ps(self.0, factor.0, addend.0)))
    }

    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        Self(act!(_mm256_max_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        Self(act!(_mm256_min_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn scale(self, exponent: Self) -> Self {
        // 2^exponent may be too small or too large for an `f32`; its square root never is.
        Self(act!({
            let exponent = _mm256_cvtps_epi32(exponent.0);
            let half = _mm256_srai_epi32::<1>(exponent);
            let power = |exponent| {
                let biased = _mm256_add_epi32(exponent, _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
            };
            let rest = _mm256_sub_epi32(exponent, half);
            _mm256_mul_ps(_mm256_mul_ps(self.0, power(half)), power(rest))
        }))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        self.reduce(|a, b| act!(_mm_add_ps(a, b)))
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        self.reduce(|a, b| act!(_mm_max_ps(a, b)))
    }
}
