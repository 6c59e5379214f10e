//! Memory that several tasks write at once.

#![expect(unsafe_code, reason = "several tasks write one buffer")]

use std::marker::PhantomData;
use std::ops::Range;

/// A slice whose parts are handed out to tasks.
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    length: usize,
    memory: PhantomData<&'a mut [T]>,
}

// SAFETY: parts that different threads hold do not overlap, as `part` demands.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(memory: &'a mut [T]) -> Self {
        Self {
            start: memory.as_mut_ptr(),
            length: memory.len(),
            memory: PhantomData,
        }
    }

    /// A part to write.
    ///
    /// # Safety
    /// No two parts that are held at a time may overlap.
    #[expect(clippy::mut_from_ref, reason = "the caller keeps the parts apart")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.length);
        // SAFETY: within the slice, and nobody else's for as long as it is held.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
