//! The kernel for AVX-512 with VNNI: a vector lane per output, `vpdpbusd` for four inputs of
//! sixteen outputs, integer and `f32` sums of up to twelve rows in registers.

#![expect(unsafe_code, reason = "loads and stores of vectors")]

use super::activations::{Block, MOST_ROWS, Panel};
use super::layout::{CORRECTED_BITS, Format, OUTPUTS, Steps, VECTOR};
use std::arch::x86_64::*;

/// How far ahead weights are fetched: what arrives from memory in the time of one fetch.
const AHEAD: usize = 4096;

/// As [`super::scalar::multiply`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(super) fn multiply<F: Format>(
    tile: &[u8],
    panel: Panel<'_>,
    sums: &mut [[f32; OUTPUTS]; MOST_ROWS],
) {
    match panel.rows {
        12 => multiply_rows::<F, 12>(tile, panel.blocks, sums),
        8 => multiply_rows::<F, 8>(tile, panel.blocks, sums),
        4 => multiply_rows::<F, 4>(tile, panel.blocks, sums),
        2 => multiply_rows::<F, 2>(tile, panel.blocks, sums),
        _ => multiply_rows::<F, 1>(tile, panel.blocks, sums),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
fn multiply_rows<F: Format, const ROWS: usize>(
    tile: &[u8],
    blocks: &[Block],
    sums: &mut [[f32; OUTPUTS]; MOST_ROWS],
) {
    let layout = const { F::LAYOUT };
    let mut totals = [_mm512_setzero_ps(); ROWS];
    let spans = tile.chunks_exact(layout.span_bytes());
    let (rows, _) = blocks.as_chunks::<ROWS>();
    for (span, rows) in spans.zip(rows.chunks_exact(layout.blocks())) {
        let scales = load_halves(span, 0);
        let minima = if layout.has_minimum() {
            load_halves(span, layout.minima())
        } else {
            scales
        };
        for (index, rows) in rows.iter().enumerate() {
            let block = &span[layout.block(index)..layout.block(index + 1)];
            for group in 0..layout.groups() {
                let correction = if layout.groups() == 1 { 2 } else { group };
                let mut products = [_mm512_setzero_si512(); ROWS];
                if !layout.has_minimum() {
                    for (product, row) in products.iter_mut().zip(rows) {
                        *product = _mm512_set1_epi32(row.corrections[correction]);
                    }
                }
                if layout.groups() == 1 || group == 0 {
                    add_quad::<F, 0, ROWS>(block, rows, &mut products);
                    add_quad::<F, 1, ROWS>(block, rows, &mut products);
                    add_quad::<F, 2, ROWS>(block, rows, &mut products);
                    add_quad::<F, 3, ROWS>(block, rows, &mut products);
                }
                if layout.groups() == 1 || group == 1 {
                    add_quad::<F, 4, ROWS>(block, rows, &mut products);
                    add_quad::<F, 5, ROWS>(block, rows, &mut products);
                    add_quad::<F, 6, ROWS>(block, rows, &mut products);
                    add_quad::<F, 7, ROWS>(block, rows, &mut products);
                }
                let at = (index * layout.groups() + group) * OUTPUTS;
                let scale = stepped::<F>(scales, span, layout.steps() + at);
                let minimum = stepped::<F>(minima, span, layout.minimum_steps() + at);
                // Exact: a power of two.
                let minimum = _mm512_mul_ps(minimum, _mm512_set1_ps(1.0 / 128.0));
                for ((product, row), total) in products.iter().zip(rows).zip(&mut totals) {
                    let mut scaled = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(*product));
                    if layout.has_minimum() {
                        let sum = _mm512_set1_epi32(row.corrections[correction]);
                        scaled = _mm512_fmadd_ps(minimum, _mm512_cvtepi32_ps(sum), scaled);
                    }
                    *total = _mm512_fmadd_ps(_mm512_set1_ps(row.scale), scaled, *total);
                }
            }
        }
    }
    for (sums, total) in sums.iter_mut().zip(totals) {
        // SAFETY: `sums` are sixteen values.
        unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), total) };
    }
}

/// Adds the products of a quad of sixteen outputs and the same quad of each row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn add_quad<F: Format, const QUAD: usize, const ROWS: usize>(
    block: &[u8],
    rows: &[Block; ROWS],
    products: &mut [__m512i; ROWS],
) {
    let bytes = const { VECTOR * F::LAYOUT.bits() };
    if ROWS <= 8 && QUAD * VECTOR < bytes {
        let ahead = block.as_ptr().wrapping_add(QUAD * VECTOR + AHEAD);
        _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
    }
    let mut weights = numbers::<F, QUAD>(block);
    if let Some(zero) = const { F::LAYOUT.zero } {
        // Makes all stand for zero with 128, so that sums can begin with the corrections.
        let raise = (1 << CORRECTED_BITS) - (1 << zero);
        weights = _mm512_add_epi8(weights, _mm512_set1_epi8(raise as i8));
    }
    for (product, row) in products.iter_mut().zip(rows) {
        let quants = &row.quants.as_chunks::<4>().0[QUAD];
        let quants = _mm512_set1_epi32(i32::from_le_bytes(quants.map(|quant| quant as u8)));
        *product = _mm512_dpbusd_epi32(*product, weights, quants);
    }
}

/// The numbers of a quad, after the codebook.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn numbers<F: Format, const QUAD: usize>(block: &[u8]) -> __m512i {
    let layout = const { F::LAYOUT };
    let (low, high) = block.split_at(VECTOR * layout.low_bits);
    let low = match layout.low_bits {
        8 => load(low, QUAD),
        4 => bits(load(low, QUAD % 4), QUAD / 4 * 4, 0, 15),
        _ => bits(load(low, QUAD / 4), QUAD % 4 * 2, 0, 3),
    };
    if let Some(values) = layout.codebook {
        // SAFETY: the codebook has sixteen bytes.
        let values = unsafe { _mm_loadu_si128(values.as_ptr().cast()) };
        return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(values), low);
    }
    match layout.high_bits {
        2 => {
            let high = bits(load(high, QUAD / 4), QUAD % 4 * 2, layout.low_bits, 3);
            _mm512_or_si512(low, high)
        }
        1 => _mm512_or_si512(low, bits(load(high, 0), QUAD, layout.low_bits, 1)),
        _ => low,
    }
}

/// Moves the bits of each byte from `from` to `to`, and clears all others.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn bits(vector: __m512i, from: usize, to: usize, mask: i8) -> __m512i {
    let moved = if from > to {
        _mm512_srl_epi16(vector, _mm_cvtsi32_si128((from - to) as i32))
    } else {
        _mm512_sll_epi16(vector, _mm_cvtsi32_si128((to - from) as i32))
    };
    _mm512_and_si512(moved, _mm512_set1_epi8(mask << to))
}

/// A vector of a block.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(vectors: &[u8], index: usize) -> __m512i {
    let vector = &vectors.as_chunks::<VECTOR>().0[index];
    // SAFETY: a vector has 64 bytes.
    unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) }
}

/// An `f16` per output.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_halves(span: &[u8], at: usize) -> __m512 {
    let halves = &span[at..at + 2 * OUTPUTS];
    // SAFETY: `halves` has 32 bytes.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(halves.as_ptr().cast()) })
}

/// Scales or minima of a group, in formats that have steps.
#[inline]
#[target_feature(enable = "avx512f")]
fn stepped<F: Format>(common: __m512, span: &[u8], at: usize) -> __m512 {
    let steps = match const { F::LAYOUT.steps } {
        Steps::None => return common,
        _ => &span[at..at + OUTPUTS],
    };
    // SAFETY: `steps` has sixteen bytes.
    let steps = unsafe { _mm_loadu_si128(steps.as_ptr().cast()) };
    let steps = match const { F::LAYOUT.steps } {
        Steps::Signed => _mm512_cvtepi8_epi32(steps),
        _ => _mm512_cvtepu8_epi32(steps),
    };
    _mm512_mul_ps(common, _mm512_cvtepi32_ps(steps))
}
