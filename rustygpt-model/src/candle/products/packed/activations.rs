//! Activations as 8-bit integers with a scale per 32, made once per input and shared by every
//! matrix that multiplies it.

use super::layout::INPUTS;
use crate::candle::products::team::team;
use crate::candle::vector::{Kernel, Vector, dispatch};

/// Rows that a kernel computes together. Of sixteen outputs and twelve rows, integer and `f32` sums
/// fill 24 of the 32 vector registers of AVX-512.
pub(super) const MOST_ROWS: usize = 12;

/// 32 activations of one row.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(16))]
pub(super) struct Block {
    /// `activation = scale · quant`, −127..=127.
    pub(super) quants: [i8; INPUTS],
    pub(super) scale: f32,
    /// −128 times the sum of the first and of the last sixteen quants, and of all: what the sum of
    /// products with weights that are 128 too high is corrected with; a part of it, with weights
    /// that are 2^zero too high; and in proportion, with those that are a minimum too high.
    pub(super) corrections: [i32; 3],
}

/// Rows of quantised activations.
///
/// Rows lie in panels of twelve, the rest in panels of 8, 4, 2 and 1: a panel is all a kernel call
/// reads, so it is laid out in the order in which it is read: block by block, and for each
/// block row by row.
#[derive(Clone, Debug)]
pub(crate) struct Activations {
    blocks: Vec<Block>,
    rows: usize,
    inputs: usize,
}

/// A panel of activations.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    /// `inputs / 32 × rows`.
    pub(super) blocks: &'a [Block],
    /// 1, 2, 4, 8 or 12.
    pub(super) rows: usize,
    /// Which row of all is its first.
    pub(super) first: usize,
}

impl Activations {
    /// Quantises rows of `inputs` values, a multiple of 32.
    pub(crate) fn quantise(x: &[f32], inputs: usize) -> Self {
        let (per_row, rows) = (inputs / INPUTS, x.len() / inputs);
        let mut blocks = vec![Block::default(); rows * per_row];
        team().chunks_mut(&mut blocks, MOST_ROWS * per_row, |index, blocks| {
            let x = &x[index * MOST_ROWS * inputs..];
            for panel in panels(blocks.len() / per_row) {
                let start = panel.start * per_row;
                let blocks = &mut blocks[start..start + panel.len() * per_row];
                quantise_panel(&x[panel.start * inputs..], inputs, panel.len(), blocks);
            }
        });
        Self {
            blocks,
            rows,
            inputs,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// All panels, in order of their rows.
    pub(super) fn panels(&self) -> impl Iterator<Item = Panel<'_>> {
        let per_row = self.inputs / INPUTS;
        panels(self.rows).map(move |rows| Panel {
            blocks: &self.blocks[rows.start * per_row..rows.end * per_row],
            rows: rows.len(),
            first: rows.start,
        })
    }
}

/// How rows are cut into panels.
fn panels(rows: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let count = match rows - first {
            0 => return None,
            left @ ..MOST_ROWS => 1 << left.ilog2(),
            _ => MOST_ROWS,
        };
        first += count;
        Some(first - count..first)
    })
}

fn quantise_panel(x: &[f32], inputs: usize, rows: usize, panel: &mut [Block]) {
    dispatch(Quantise {
        x,
        inputs,
        rows,
        panel,
    });
}

struct Quantise<'a> {
    x: &'a [f32],
    inputs: usize,
    rows: usize,
    panel: &'a mut [Block],
}

impl Kernel for Quantise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        for row in 0..self.rows {
            let x = &self.x[row * self.inputs..(row + 1) * self.inputs];
            for (index, values) in x.as_chunks::<INPUTS>().0.iter().enumerate() {
                quantise_block(values, &mut self.panel[index * self.rows + row]);
            }
        }
    }
}

/// A block's largest activation becomes ±127. A block with an infinity or not-a-number gets such
/// a scale, so that it shows in the product.
#[inline(always)]
fn quantise_block(values: &[f32; INPUTS], block: &mut Block) {
    // As integers, because `f32::max` passes over not-a-number.
    let largest = values
        .iter()
        .map(|value| value.to_bits() & 0x7fff_ffff)
        .fold(0, u32::max);
    let largest = f32::from_bits(largest);
    let scale = largest / 127.0;
    // A block of denormals whose inverse overflows counts as zeros: it cannot be told from them in
    // a sum of products.
    let inverse = 127.0 / largest;
    let inverse = if inverse.is_finite() { inverse } else { 0.0 };
    let mut sums = [0i32; 2];
    for (half, (values, quants)) in values
        .as_chunks::<16>()
        .0
        .iter()
        .zip(block.quants.as_chunks_mut::<16>().0)
        .enumerate()
    {
        for (value, quant) in values.iter().zip(quants) {
            #[expect(
                clippy::manual_clamp,
                reason = "`clamp` lets what is not a number through"
            )]
            #[expect(unsafe_code, reason = "a checked conversion is no vector instruction")]
            // SAFETY: |value · inverse| is at most 127 and a rounding error, which rounds to 127
            // at most; what is not finite was made zero by `inverse`, or not-a-number by an
            // infinite value, which `max` and `min` turn into a number.
            let integer = unsafe {
                (value * inverse)
                    .round_ties_even()
                    .max(-127.0)
                    .min(127.0)
                    .to_int_unchecked::<i32>()
            };
            *quant = integer as i8;
            sums[half] += integer;
        }
    }
    block.scale = scale;
    block.corrections = [sums[0], sums[1], sums[0] + sums[1]].map(|sum| -128 * sum);
}
