//! Eight numbers in plain Rust: the specification of every other vector.

#![expect(unsafe_code, reason = "loads and stores of vectors")]

use super::Vector;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};

const WIDTH: usize = 8;

/// Eight `f32`, which compilers put into whatever registers there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable([f32; WIDTH]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }

    /// Halves the vector until one element is left.
    #[inline(always)]
    fn reduce(self, f: impl Fn(f32, f32) -> f32) -> f32 {
        let mut values = self.0;
        let mut width = WIDTH / 2;
        while width > 0 {
            for lane in 0..width {
                values[lane] = f(values[lane], values[lane + width]);
            }
            width /= 2;
        }
        values[0]
    }
}

impl Vector for Portable {
    const WIDTH: usize = WIDTH;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; WIDTH])
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for the elements; arrays of `f32` are aligned as `f32` are.
        Self(unsafe { *from.cast() })
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: as above.
        let bits: [u16; WIDTH] = unsafe { *from.cast() };
        let mut values = [0.0; WIDTH];
        bits.reinterpret_cast::<f16>()
            .convert_to_f32_slice(&mut values);
        Self(values)
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: as above.
        let bits: [u16; WIDTH] = unsafe { *from.cast() };
        Self(bits.map(|bits| bf16::from_bits(bits).to_f32()))
    }

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { *to.cast() = self.0 }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn subtract(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn divide(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, addend: Self) -> Self {
        Self(std::array::from_fn(|lane| {
            let (a, b, c) = (self.0[lane], factor.0[lane], addend.0[lane]);
            // Where it is no instruction, `mul_add` is a slow call.
            if cfg!(target_arch = "aarch64") {
                a.mul_add(b, c)
            } else {
                a * b + c
            }
        }))
    }

    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn scale(self, exponent: Self) -> Self {
        // 2^exponent may be too small or too large for an `f32`; its square root never is.
        let power = |exponent: i32| f32::from_bits(((exponent + 127) as u32) << 23);
        self.zip(exponent, |value, exponent| {
            let exponent = exponent as i32;
            let half = exponent >> 1;
            value * power(half) * power(exponent - half)
        })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        self.reduce(|a, b| a + b)
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        self.reduce(|a, b| if a > b { a } else { b })
    }
}
