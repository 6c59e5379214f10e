//! Sixteen numbers in a register of AVX-512.

#![expect(unsafe_code, reason = "the processor's instructions")]

use super::{Kernel, Vector};
use std::arch::x86_64::*;

/// Runs instructions of the processor.
macro_rules! act {
    ($instructions:expr) => {
        // SAFETY: `dispatch` alone names this type, on processors with
        // AVX-512F; who loads and stores vouches for the elements.
        unsafe { $instructions }
    };
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(__m512);

/// Runs a kernel that is compiled for these instructions.
#[target_feature(enable = "avx512f,avx2,fma,f16c")]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512>()
}

impl Vector for Avx512 {
    const WIDTH: usize = 16;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(act!(_mm512_set1_ps(value)))
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(act!(_mm512_loadu_ps(from)))
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        Self(act!(_mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))))
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // The upper half of an `f32` is what a `bfloat16` is.
        Self(act!({
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }))
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        act!(_mm512_storeu_ps(to, self.0));
    }

    #[inline(always)]
    fn prefetch(address: *const u8) {
        act!(_mm_prefetch::<_MM_HINT_T0>(address.cast()));
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(act!(_mm512_add_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn subtract(self, other: Self) -> Self {
        Self(act!(_mm512_sub_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        Self(act!(_mm512_mul_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn divide(self, other: Self) -> Self {
        Self(act!(_mm512_div_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, addend: Self) -> Self {
        Self(act!(_mm512_fmadd_ps(self.0, factor.0, addend.0)))
    }

    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        Self(act!(_mm512_max_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        Self(act!(_mm512_min_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn scale(self, exponent: Self) -> Self {
        Self(act!(_mm512_scalef_ps(self.0, exponent.0)))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        act!(_mm512_reduce_add_ps(self.0))
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        act!(_mm512_reduce_max_ps(self.0))
    }
}
