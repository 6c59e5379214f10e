//! The kernel that defines what a product is; every other one gives the same bits.
//!
//! For a row of activations and an output, in order of the groups of weights:
//!
//! ```text
//! sum    = Σ n · quant − 2^zero · Σ quant            exact, in integers
//! scaled = scale · sum (− minimum · Σ quant)         one rounding each, fused
//! total  = total + activations' scale · scaled       fused
//! ```
//!
//! No step depends on how many rows or outputs are computed together.

use super::activations::{MOST_ROWS, Panel};
use super::layout::{CORRECTED_BITS, Format, INPUTS, OUTPUTS, Steps, VECTOR};
use half::f16;

/// Multiplies a tile by a panel of activations: a sum per output for each row.
pub(super) fn multiply<F: Format>(
    tile: &[u8],
    panel: Panel<'_>,
    sums: &mut [[f32; OUTPUTS]; MOST_ROWS],
) {
    let layout = const { F::LAYOUT };
    let sums = &mut sums[..panel.rows];
    sums.fill([0.0; OUTPUTS]);
    let spans = tile.chunks_exact(layout.span_bytes());
    let activations = panel.blocks.chunks_exact(panel.rows * layout.blocks());
    for (span, activations) in spans.zip(activations) {
        for (index, rows) in activations.chunks_exact(panel.rows).enumerate() {
            for group in 0..layout.groups() {
                let inputs = group * layout.group..(group + 1) * layout.group;
                let correction = if layout.groups() == 1 { 2 } else { group };
                for lane in 0..OUTPUTS {
                    let (scale, minimum) = scale_and_minimum::<F>(span, index, group, lane);
                    for (row, sums) in rows.iter().zip(sums.iter_mut()) {
                        let minus_sum = row.corrections[correction] >> CORRECTED_BITS;
                        let mut sum = layout.zero.map_or(0, |zero| minus_sum << zero);
                        for input in inputs.clone() {
                            sum += i32::from(number::<F>(span, index, input, lane))
                                * i32::from(row.quants[input]);
                        }
                        let mut scaled = scale * sum as f32;
                        if layout.has_minimum() {
                            scaled = minimum.mul_add(minus_sum as f32, scaled);
                        }
                        sums[lane] = row.scale.mul_add(scaled, sums[lane]);
                    }
                }
            }
        }
    }
}

/// Dequantises the weights of one output.
pub(super) fn dequantise<F: Format>(tile: &[u8], lane: usize, values: &mut [f32]) {
    let layout = const { F::LAYOUT };
    let zero = layout.zero.map_or(0, |zero| 1 << zero);
    let spans = tile.chunks_exact(layout.span_bytes());
    for (span, values) in spans.zip(values.chunks_exact_mut(layout.inputs())) {
        for (index, values) in values.chunks_exact_mut(INPUTS).enumerate() {
            for (group, values) in values.chunks_exact_mut(layout.group).enumerate() {
                let (scale, minimum) = scale_and_minimum::<F>(span, index, group, lane);
                for (input, value) in values.iter_mut().enumerate() {
                    let number = number::<F>(span, index, group * layout.group + input, lane);
                    *value = scale * (i32::from(number) - zero) as f32;
                    if layout.has_minimum() {
                        *value -= minimum;
                    }
                }
            }
        }
    }
}

/// The number that the weight of an input and an output is, after the codebook.
#[inline(always)]
fn number<F: Format>(span: &[u8], index: usize, input: usize, lane: usize) -> u8 {
    let layout = const { F::LAYOUT };
    let block = &span[layout.block(index)..layout.block(index + 1)];
    let (quad, byte) = (input / 4, lane * 4 + input % 4);
    let (low, high) = block.split_at(VECTOR * layout.low_bits);
    let two_bits = |vectors: &[u8]| (vectors[(quad / 4) * VECTOR + byte] >> (2 * (quad % 4))) & 3;
    let low = match layout.low_bits {
        8 => low[quad * VECTOR + byte],
        4 => (low[(quad % 4) * VECTOR + byte] >> (4 * (quad / 4))) & 15,
        _ => two_bits(low),
    };
    let high = match layout.high_bits {
        2 => two_bits(high),
        1 => (high[byte] >> quad) & 1,
        _ => 0,
    };
    match layout.codebook {
        Some(values) => values[usize::from(low)],
        None => low | (high << (layout.low_bits % 8)),
    }
}

/// The scale and the minimum of a group of one output.
#[inline(always)]
fn scale_and_minimum<F: Format>(
    span: &[u8],
    index: usize,
    group: usize,
    lane: usize,
) -> (f32, f32) {
    let layout = const { F::LAYOUT };
    let half = |at: usize| f16::from_le_bytes([span[at + 2 * lane], span[at + 2 * lane + 1]]);
    let step = |at: usize| {
        let byte = span[at + (index * layout.groups() + group) * OUTPUTS + lane];
        match layout.steps {
            Steps::None => 1.0,
            Steps::Unsigned => f32::from(byte),
            Steps::Signed => f32::from(byte as i8),
        }
    };
    let scale = half(0).to_f32();
    let minimum = if layout.has_minimum() {
        half(layout.minima()).to_f32()
    } else {
        0.0
    };
    match layout.steps {
        Steps::None => (scale, minimum),
        _ if layout.has_minimum() => (
            scale * step(layout.steps()),
            minimum * step(layout.minimum_steps()),
        ),
        _ => (scale * step(layout.steps()), minimum),
    }
}
