//! Memory for packed weights: zeros from the operating system, in huge pages where it has them.

use memmap2::MmapMut;
use std::marker::PhantomData;

/// Values without padding or invalid bit patterns: what any bytes may be read as.
///
/// # Safety
/// Every bit pattern is a value of the type, it has no padding, and its alignment is at most 64.
#[expect(unsafe_code, reason = "the compiler cannot prove it of a foreign type")]
pub(crate) unsafe trait Plain: Copy + Send + Sync + 'static {}

#[expect(unsafe_code, reason = "a promise about foreign types")]
mod promises {
    use super::Plain;
    use half::{bf16, f16};

    // SAFETY: any bits are a number.
    unsafe impl Plain for u8 {}
    // SAFETY: any bits are a number.
    unsafe impl Plain for f32 {}
    // SAFETY: transparent over u16, of which any bits are a number.
    unsafe impl Plain for f16 {}
    // SAFETY: transparent over u16, of which any bits are a number.
    unsafe impl Plain for bf16 {}
    // SAFETY: an array has its elements' alignment and nothing between them.
    unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}
}

/// A buffer of plain values that starts at the beginning of a page.
pub(crate) struct Buffer<T> {
    /// `None` for a buffer of no length, which cannot be mapped.
    pages: Option<MmapMut>,
    count: usize,
    values: PhantomData<T>,
}

impl<T: Plain> Buffer<T> {
    /// `count` zeros. The operating system commits pages as they are first written.
    ///
    /// # Errors
    /// What it says if it has no room.
    pub(crate) fn zeros(count: usize) -> std::io::Result<Self> {
        let bytes = count.checked_mul(size_of::<T>()).ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::OutOfMemory, "more bytes than addresses")
        })?;
        let pages = match bytes {
            0 => None,
            bytes => {
                let pages = MmapMut::map_anon(bytes)?;
                // A pass over all weights looks up every page's address: with pages of 2 MiB that
                // is 512 times cheaper. Kernels without them refuse, and nothing is lost.
                #[cfg(target_os = "linux")]
                let _ = pages.advise(memmap2::Advice::HugePage);
                Some(pages)
            }
        };
        Ok(Self {
            pages,
            count,
            values: PhantomData,
        })
    }

    /// The values.
    pub(crate) fn values(&self) -> &[T] {
        let Some(pages) = &self.pages else {
            return &[];
        };
        #[expect(unsafe_code, reason = "bytes read as plain values")]
        // SAFETY: the mapping holds `count` values, begins at a page and so is aligned for them, and
        // any bytes are valid values (`Plain`).
        unsafe {
            std::slice::from_raw_parts(pages.as_ptr().cast(), self.count)
        }
    }

    /// The values, to be written.
    pub(crate) fn values_mut(&mut self) -> &mut [T] {
        let Some(pages) = &mut self.pages else {
            return &mut [];
        };
        #[expect(unsafe_code, reason = "bytes read as plain values")]
        // SAFETY: as above; the borrow of `self` is exclusive.
        unsafe {
            std::slice::from_raw_parts_mut(pages.as_mut_ptr().cast(), self.count)
        }
    }
}

impl<T> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer")
            .field("count", &self.count)
            .finish()
    }
}
