//! From the rows of a file to tiles.

use super::layout::{Format, OUTPUTS, QUADS, Steps, VECTOR};
use super::read::{Readable, Span};

/// Packs up to sixteen rows of a file, `row_bytes` each, as one tile. Lanes without a row stay
/// as they are: zeros stand for no weight.
pub(super) fn pack_tile<F: Format + Readable>(rows: &[u8], row_bytes: usize, tile: &mut [u8]) {
    let mut span = Span::ZERO;
    for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
        for (bytes, packed) in row
            .chunks_exact(F::BYTES)
            .zip(tile.chunks_exact_mut(F::LAYOUT.span_bytes()))
        {
            F::read(bytes, &mut span);
            write::<F>(&span, lane, packed);
        }
    }
}

/// Writes a span of the output in `lane`.
#[inline(always)]
fn write<F: Format>(span: &Span, lane: usize, packed: &mut [u8]) {
    let layout = const { F::LAYOUT };
    packed[2 * lane..2 * lane + 2].copy_from_slice(&span.scale);
    if layout.has_minimum() {
        let at = layout.minima() + 2 * lane;
        packed[at..at + 2].copy_from_slice(&span.minimum);
    }
    if layout.steps != Steps::None {
        for group in 0..layout.blocks() * layout.groups() {
            packed[layout.steps() + group * OUTPUTS + lane] = span.steps[group];
            if layout.has_minimum() {
                packed[layout.minimum_steps() + group * OUTPUTS + lane] = span.minimum_steps[group];
            }
        }
    }
    for index in 0..layout.blocks() {
        let block = &mut packed[layout.block(index)..layout.block(index + 1)];
        let quads = span.quads(index);
        let (low, high) = block.split_at_mut(VECTOR * layout.low_bits);
        match layout.low_bits {
            8 => put::<1, 8>(quads, 0, lane, low),
            4 => put::<2, 4>(
                [0, 4, 1, 5, 2, 6, 3, 7].map(|quad| quads[quad]),
                0,
                lane,
                low,
            ),
            _ => put::<4, 2>(quads, 0, lane, low),
        }
        match layout.high_bits {
            2 => put::<4, 2>(quads, layout.low_bits, lane, high),
            1 => put::<8, 1>(quads, layout.low_bits, lane, high),
            _ => {}
        }
    }
}

/// Puts `BITS` bits of each number from bit `first` on into vectors that `SHARED` successive quads
/// share.
#[inline(always)]
fn put<const SHARED: usize, const BITS: usize>(
    quads: [u32; QUADS],
    first: usize,
    lane: usize,
    vectors: &mut [u8],
) {
    let mask = (0xff >> (8 - BITS)) * 0x0101_0101;
    for (vector, quads) in vectors
        .as_chunks_mut::<VECTOR>()
        .0
        .iter_mut()
        .zip(quads.as_chunks::<SHARED>().0)
    {
        let mut word = 0u32;
        for (place, quad) in quads.iter().enumerate() {
            word |= ((quad >> first) & mask) << (BITS * place);
        }
        vector[4 * lane..4 * lane + 4].copy_from_slice(&word.to_le_bytes());
    }
}
