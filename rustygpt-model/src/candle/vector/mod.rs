//! Vectors of `f32`: kernels are written once, over [`Vector`], and compiled for every instruction
//! set; [`dispatch`] runs the best one the processor has.
//!
//! [`portable`] is the specification: plain Rust, always compiled, and what other processors than
//! x86 run. The others compute the same but round products and sums once instead of twice.

#![expect(
    unsafe_code,
    reason = "vectors are loaded from addresses, and run where the processor was asked first"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod element;
mod functions;
mod portable;

pub(crate) use element::Element;
pub(crate) use functions::{exponential, hyperbolic_tangent, sigmoid};

use super::products::Instructions;

/// The widest [`Vector`]: rows of matrices that are padded to a multiple of it need no remainders.
pub(crate) const WIDEST: usize = 16;

/// Several `f32` that are computed with at once. Implementations other than [`portable`] are named
/// by [`dispatch`] alone, which knows that the processor has their instructions; methods are
/// inlined into the functions compiled for these.
pub(crate) trait Vector: Copy {
    /// Numbers in a vector; divides [`WIDEST`].
    const WIDTH: usize;

    /// All elements the same.
    fn splat(value: f32) -> Self;

    /// The numbers at `from`.
    ///
    /// # Safety
    /// [`Self::WIDTH`] elements must be readable. The address may be unaligned.
    unsafe fn load(from: *const f32) -> Self;

    /// As [`Self::load`], from the bits of half-precision numbers, widened.
    ///
    /// # Safety
    /// As for [`Self::load`].
    unsafe fn load_f16(from: *const u16) -> Self;

    /// As [`Self::load_f16`], from the bits of `bfloat16` numbers.
    ///
    /// # Safety
    /// As for [`Self::load`].
    unsafe fn load_bf16(from: *const u16) -> Self;

    /// Writes the numbers to `to`.
    ///
    /// # Safety
    /// [`Self::WIDTH`] elements must be writable. The address may be unaligned.
    unsafe fn store(self, to: *mut f32);

    /// Asks for the line of memory at an address, which need not be one, because it is read soon.
    fn prefetch(_address: *const u8) {}

    /// `self + other`.
    fn add(self, other: Self) -> Self;

    /// `self - other`.
    fn subtract(self, other: Self) -> Self;

    /// `self · other`.
    fn multiply(self, other: Self) -> Self;

    /// `self / other`.
    fn divide(self, other: Self) -> Self;

    /// `self · factor + addend`, rounded once where the processor can.
    fn multiply_add(self, factor: Self, addend: Self) -> Self;

    /// The larger of each pair; `other` if either is not a number.
    fn maximum(self, other: Self) -> Self;

    /// The smaller of each pair; `other` if either is not a number.
    fn minimum(self, other: Self) -> Self;

    /// `self · 2^exponent` for integers from -200 to 200, correctly rounded if `self` is near one.
    fn scale(self, exponent: Self) -> Self;

    /// The sum of all elements, in an order that is always the same.
    fn sum(self) -> f32;

    /// The largest element.
    fn largest(self) -> f32;

    /// The first numbers of a slice.
    #[inline(always)]
    fn from_slice(values: &[f32]) -> Self {
        let values = &values[..Self::WIDTH];
        // SAFETY: the slice has that many elements.
        unsafe { Self::load(values.as_ptr()) }
    }

    /// Writes to the beginning of a slice.
    #[inline(always)]
    fn to_slice(self, values: &mut [f32]) {
        let values = &mut values[..Self::WIDTH];
        // SAFETY: the slice has that many elements.
        unsafe { self.store(values.as_mut_ptr()) }
    }
}

/// Work that is compiled once per instruction set.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;

    /// Must be `#[inline(always)]`, and so must what it calls, or it is compiled for the oldest
    /// processor only.
    fn run<V: Vector>(self) -> Self::Output;
}

/// Runs a kernel with the best instructions at hand.
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    run_with(Instructions::best(), kernel)
}

/// Runs a kernel with instructions that the processor was asked for.
fn run_with<K: Kernel>(instructions: Instructions, kernel: K) -> K::Output {
    match instructions {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Instructions` of this kind is only made where the processor has them.
        Instructions::Avx512 => unsafe { avx512::run(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Instructions::Avx2 => unsafe { avx2::run(kernel) },
        _ => kernel.run::<portable::Portable>(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
