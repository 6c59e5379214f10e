//! Numbers as they lie in memory.

#![expect(unsafe_code, reason = "loads of vectors")]

use super::Vector;
use half::{bf16, f16};

/// A number that widens to `f32` as it is read.
pub(crate) trait Element: Copy + Send + Sync {
    /// Whether it is an `f32` already.
    const IS_WIDE: bool = false;

    /// Reads a vector.
    ///
    /// # Safety
    /// [`Vector::WIDTH`] elements must be readable.
    unsafe fn load<V: Vector>(from: *const Self) -> V;

    /// Reads the first elements of a slice.
    #[inline(always)]
    fn from_slice<V: Vector>(values: &[Self]) -> V {
        let values = &values[..V::WIDTH];
        // SAFETY: the slice has that many elements.
        unsafe { Self::load(values.as_ptr()) }
    }
}

impl Element for f32 {
    const IS_WIDE: bool = true;

    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: the caller vouches for the elements.
        unsafe { V::load(from) }
    }
}

impl Element for f16 {
    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: the caller vouches for the elements; the type is its bits.
        unsafe { V::load_f16(from.cast()) }
    }
}

impl Element for bf16 {
    // SAFETY: the caller vouches for the elements.
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: as above.
        unsafe { V::load_bf16(from.cast()) }
    }
}
