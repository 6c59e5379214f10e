//! What a kernel is, and which one serves.

use super::panels::Form;
use super::{STRIP, TILE, scalar};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::candle::products::buffer::Plain;
use crate::candle::products::instructions::Instructions;
use half::{bf16, f16};

/// Adds the products of some steps to a block of sums.
///
/// The arguments: a strip's groups, as many as steps; the first tile of the strip to take; the
/// activations of these steps, as [`super::panels::Panel`] has them; the sums, lane by lane, one
/// for each tile.
///
/// # Safety
/// The processor must have the instructions that the kernel was compiled for.
pub(crate) type Block<G> = unsafe fn(&[[G; STRIP]], usize, &[u32], &mut [[f32; TILE]]);

/// Kernels that work on the same number of tiles.
#[derive(Debug)]
pub(crate) struct Shape<G: 'static> {
    /// Tiles at a time, a divisor of [`STRIP`].
    pub(super) tiles: usize,
    /// Rows at a time, ascending, and the kernel for as many.
    pub(super) blocks: &'static [(usize, Block<G>)],
}

impl<G> Shape<G> {
    /// Rows that the largest kernel takes.
    pub(super) fn most_lanes(&self) -> usize {
        self.blocks.last().map_or(1, |(lanes, _)| *lanes)
    }
}

/// The kernels of one instruction set for one kind of weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method<G: 'static> {
    /// From few rows on many tiles, to many rows on few: what fits into the registers.
    pub(super) shapes: &'static [Shape<G>],
    /// How the kernels want their activations.
    pub(super) form: Form,
}

impl<G> Method<G> {
    /// The shape for so many rows.
    pub(super) fn shape(&self, rows: usize) -> Option<&'static Shape<G>> {
        self.shapes
            .iter()
            .find(|shape| shape.most_lanes() >= rows)
            .or(self.shapes.last())
    }
}

/// The most sums of any kernel.
pub(super) const MOST_SUMS: usize = 24;

/// The weights of one tile and one step along the inputs.
pub(crate) trait Group: Plain + std::fmt::Debug {
    /// Inputs of a step.
    const DEPTH: usize;
    /// Bytes of one weight in a file.
    const ELEMENT_BYTES: usize;

    /// Fills tile `tile` of a strip from the bytes of its rows; rows that do not exist are empty.
    fn transpose(rows: &[&[u8]; TILE], tile: usize, strip: &mut [[Self; STRIP]]);

    /// One weight.
    fn value(&self, output: usize, depth: usize) -> f32;

    /// The kernels for an instruction set.
    fn method(instructions: Instructions) -> Method<Self>;
}

/// Element `i` of each row, of `BYTES` bytes, goes to step `i` of a tile.
fn transpose<const BYTES: usize, T>(
    rows: &[&[u8]; TILE],
    tile: usize,
    strip: &mut [[[T; TILE]; STRIP]],
    read: impl Fn([u8; BYTES]) -> T,
) {
    /// Steps between which the rows change: what they write to stays in the first-level cache.
    const STEPS: usize = 64;
    for (chunk, strip) in strip.chunks_mut(STEPS).enumerate() {
        for (output, row) in rows.iter().enumerate() {
            let (elements, _) = row.as_chunks::<BYTES>();
            let elements = elements.iter().skip(chunk * STEPS);
            for (groups, element) in strip.iter_mut().zip(elements) {
                groups[tile][output] = read(*element);
            }
        }
    }
}

/// How many bytes behind what a kernel reads lies what it should ask memory for, because kernels are
/// quicker than memory. One that takes whole strips reads on and on; of others, each asks for
/// what the next one of the strip reads, or the first one of the steps that follow.
#[cfg(target_arch = "x86_64")]
pub(super) fn bytes_ahead<G>(strip: &[[G; STRIP]], first: usize, tiles: usize) -> usize {
    /// Far enough for memory, near enough to be there still.
    const READING_ON: usize = 4096;
    if tiles == STRIP {
        READING_ON
    } else if first + tiles < STRIP {
        tiles * size_of::<G>()
    } else {
        size_of_val(strip) - first * size_of::<G>()
    }
}

/// Asks memory for the lines that hold as much as `groups`, `ahead` bytes behind them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn prefetch<G>(groups: &[G], ahead: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    const LINE: usize = 64;
    let start = groups.as_ptr().cast::<i8>().wrapping_add(ahead);
    for offset in (0..size_of_val(groups)).step_by(LINE) {
        #[expect(unsafe_code, reason = "an address that need not exist")]
        // SAFETY: a hint may name any address, and all x86-64 processors know it.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset));
        }
    }
}

impl Group for [f32; TILE] {
    const DEPTH: usize = 1;
    const ELEMENT_BYTES: usize = 4;

    fn transpose(rows: &[&[u8]; TILE], tile: usize, strip: &mut [[Self; STRIP]]) {
        transpose(rows, tile, strip, f32::from_le_bytes);
    }

    fn value(&self, output: usize, _depth: usize) -> f32 {
        self[output]
    }

    fn method(instructions: Instructions) -> Method<Self> {
        #[cfg(target_arch = "x86_64")]
        match instructions {
            Instructions::Scalar => {}
            Instructions::Avx2 => return avx2::F32,
            _ => return avx512::F32,
        }
        scalar::F32
    }
}

impl Group for [f16; TILE] {
    const DEPTH: usize = 1;
    const ELEMENT_BYTES: usize = 2;

    fn transpose(rows: &[&[u8]; TILE], tile: usize, strip: &mut [[Self; STRIP]]) {
        transpose(rows, tile, strip, f16::from_le_bytes);
    }

    fn value(&self, output: usize, _depth: usize) -> f32 {
        self[output].to_f32()
    }

    fn method(instructions: Instructions) -> Method<Self> {
        #[cfg(target_arch = "x86_64")]
        match instructions {
            Instructions::Scalar => {}
            Instructions::Avx2 => return avx2::F16,
            _ => return avx512::F16,
        }
        scalar::F16
    }
}

impl Group for [[bf16; 2]; TILE] {
    const DEPTH: usize = 2;
    const ELEMENT_BYTES: usize = 2;

    fn transpose(rows: &[&[u8]; TILE], tile: usize, strip: &mut [[Self; STRIP]]) {
        transpose(rows, tile, strip, |[a, b, c, d]: [u8; 4]| {
            [bf16::from_le_bytes([a, b]), bf16::from_le_bytes([c, d])]
        });
        // An odd number of inputs leaves half a step.
        if let Some(last) = strip.last_mut() {
            for (pair, row) in last[tile].iter_mut().zip(rows) {
                if let (_, &[a, b]) = row.as_chunks::<4>() {
                    pair[0] = bf16::from_le_bytes([a, b]);
                }
            }
        }
    }

    fn value(&self, output: usize, depth: usize) -> f32 {
        widen(self[output][depth])
    }

    fn method(instructions: Instructions) -> Method<Self> {
        #[cfg(target_arch = "x86_64")]
        match instructions {
            Instructions::Scalar => {}
            Instructions::Avx2 => return avx2::BF16,
            _ if is_x86_feature_detected!("avx512bf16") => return avx512::BF16_PAIRS,
            _ => return avx512::BF16,
        }
        scalar::BF16
    }
}

/// The upper half of an `f32` is what a `bf16` is.
#[inline(always)]
pub(super) fn widen(weight: bf16) -> f32 {
    f32::from_bits(u32::from(weight.to_bits()) << 16)
}
