//! The kernel for AVX2: two vectors of eight outputs. The numbers of a block are unpacked once for
//! all rows of a panel.

#![expect(unsafe_code, reason = "loads and stores of vectors")]

use super::activations::{Block, MOST_ROWS, Panel};
use super::layout::{CORRECTED_BITS, Format, INPUTS, OUTPUTS, QUADS, Steps, VECTOR};
use std::arch::x86_64::*;

/// Bytes of a vector.
const HALF: usize = VECTOR / 2;

/// The numbers of a block, a byte each.
#[repr(align(64))]
struct Numbers([u8; INPUTS * OUTPUTS]);

/// As [`super::scalar::multiply`].
#[target_feature(enable = "avx2,fma,f16c")]
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
    let mut numbers = Numbers([0; INPUTS * OUTPUTS]);
    for (span, activations) in spans.zip(activations) {
        for (index, rows) in activations.chunks_exact(panel.rows).enumerate() {
            let block = &span[layout.block(index)..layout.block(index + 1)];
            unpack::<F>(block, &mut numbers);
            for group in 0..layout.groups() {
                let correction = if layout.groups() == 1 { 2 } else { group };
                for half in 0..2 {
                    let (scale, minimum) = scale_and_minimum::<F>(span, index, group, half);
                    for (row, sums) in rows.iter().zip(sums.iter_mut()) {
                        let correction = _mm256_set1_epi32(row.corrections[correction]);
                        let product = multiply_group::<F>(&numbers, row, group, half, correction);
                        let mut scaled = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(product));
                        if layout.has_minimum() {
                            let sum = _mm256_cvtepi32_ps(shifted(correction, CORRECTED_BITS));
                            scaled = _mm256_fmadd_ps(minimum, sum, scaled);
                        }
                        let sums = sums.as_chunks_mut::<8>().0[half].as_mut_ptr();
                        // SAFETY: half of the sums of a row are eight values.
                        unsafe {
                            let total = _mm256_loadu_ps(sums);
                            let total = _mm256_fmadd_ps(_mm256_set1_ps(row.scale), scaled, total);
                            _mm256_storeu_ps(sums, total);
                        }
                    }
                }
            }
        }
    }
}

/// The integer products of one row and eight outputs, summed over a group.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply_group<F: Format>(
    numbers: &Numbers,
    row: &Block,
    group: usize,
    half: usize,
    correction: __m256i,
) -> __m256i {
    let layout = const { F::LAYOUT };
    let quads = group * layout.group / 4..(group + 1) * layout.group / 4;
    let quants = row.quants.as_chunks::<4>().0;
    let ones = _mm256_set1_epi16(1);
    let quad = |quad: usize| {
        let quants = quants[quad].map(|quant| quant as u8);
        let weights = &numbers.0.as_chunks::<HALF>().0[2 * quad + half];
        // SAFETY: half a vector has 32 bytes.
        let weights = unsafe { _mm256_loadu_si256(weights.as_ptr().cast()) };
        (weights, _mm256_set1_epi32(i32::from_le_bytes(quants)))
    };
    if layout.zero == Some(7) {
        // Eight bits: pairs of unsigned products overflow 16 bits, so the weights' signs move to
        // the activations; 2 · 128 · 127 fits.
        let mut product = _mm256_setzero_si256();
        for index in quads {
            let (weights, quants) = quad(index);
            let weights = _mm256_xor_si256(weights, _mm256_set1_epi8(-128));
            let pairs =
                _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(quants, weights));
            product = _mm256_add_epi32(product, _mm256_madd_epi16(pairs, ones));
        }
        return product;
    }
    // As many pairs as are sure to fit into 16 bits are added before they are widened.
    let together = const { 32767 / (((1 << F::LAYOUT.bits()) - 1) * 2 * 127) };
    let mut product = match layout.zero {
        Some(zero) => shifted(correction, CORRECTED_BITS - zero),
        None => _mm256_setzero_si256(),
    };
    let mut pairs = _mm256_setzero_si256();
    for (place, index) in quads.enumerate() {
        let (weights, quants) = quad(index);
        pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(weights, quants));
        if (place + 1) % together == 0 {
            product = _mm256_add_epi32(product, _mm256_madd_epi16(pairs, ones));
            pairs = _mm256_setzero_si256();
        }
    }
    _mm256_add_epi32(product, _mm256_madd_epi16(pairs, ones))
}

/// Each number divided by a power of two, which divides it.
#[inline]
#[target_feature(enable = "avx2")]
fn shifted(numbers: __m256i, bits: u32) -> __m256i {
    _mm256_sra_epi32(numbers, _mm_cvtsi32_si128(bits as i32))
}

/// The numbers of a block, after the codebook.
#[inline]
#[target_feature(enable = "avx2")]
fn unpack<F: Format>(block: &[u8], numbers: &mut Numbers) {
    let layout = const { F::LAYOUT };
    let (low, high) = block.split_at(VECTOR * layout.low_bits);
    for (index, numbers) in numbers.0.as_chunks_mut::<HALF>().0.iter_mut().enumerate() {
        let (quad, half) = (index / 2, index % 2);
        let low = match layout.low_bits {
            8 => load(low, quad, half),
            4 => bits(load(low, quad % 4, half), quad / 4 * 4, 0, 15),
            _ => bits(load(low, quad / 4, half), quad % 4 * 2, 0, 3),
        };
        let all = match (layout.codebook, layout.high_bits) {
            (Some(values), _) => {
                // SAFETY: the codebook has sixteen bytes.
                let values = unsafe { _mm_loadu_si128(values.as_ptr().cast()) };
                _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(values), low)
            }
            (None, 2) => {
                let high = load(high, quad / 4, half);
                _mm256_or_si256(low, bits(high, quad % 4 * 2, layout.low_bits, 3))
            }
            (None, 1) => _mm256_or_si256(low, bits(load(high, 0, half), quad, layout.low_bits, 1)),
            (None, _) => low,
        };
        // SAFETY: half a vector has 32 bytes.
        unsafe { _mm256_storeu_si256(numbers.as_mut_ptr().cast(), all) };
    }
}

/// Moves the bits of each byte from `from` to `to`, and clears all others.
#[inline]
#[target_feature(enable = "avx2")]
fn bits(vector: __m256i, from: usize, to: usize, mask: i8) -> __m256i {
    let moved = if from > to {
        _mm256_srl_epi16(vector, _mm_cvtsi32_si128((from - to) as i32))
    } else {
        _mm256_sll_epi16(vector, _mm_cvtsi32_si128((to - from) as i32))
    };
    _mm256_and_si256(moved, _mm256_set1_epi8(mask << to))
}

/// Half a vector of a block.
#[inline]
#[target_feature(enable = "avx2")]
fn load(vectors: &[u8], index: usize, half: usize) -> __m256i {
    let vector = &vectors.as_chunks::<HALF>().0[2 * index + half];
    // SAFETY: half a vector has 32 bytes.
    unsafe { _mm256_loadu_si256(vector.as_ptr().cast()) }
}

/// The scales and minima of a group, of eight outputs.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn scale_and_minimum<F: Format>(
    span: &[u8],
    index: usize,
    group: usize,
    half: usize,
) -> (__m256, __m256) {
    let layout = const { F::LAYOUT };
    let halves = |at: usize| {
        let halves = &span[at..at + 2 * OUTPUTS].as_chunks::<16>().0[half];
        // SAFETY: eight halves have sixteen bytes.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(halves.as_ptr().cast()) })
    };
    let steps = |common: __m256, at: usize| {
        let at = at + (index * layout.groups() + group) * OUTPUTS;
        let steps = &span[at..at + OUTPUTS].as_chunks::<8>().0[half];
        let steps = _mm_cvtsi64_si128(i64::from_le_bytes(*steps));
        let steps = match layout.steps {
            Steps::Signed => _mm256_cvtepi8_epi32(steps),
            _ => _mm256_cvtepu8_epi32(steps),
        };
        _mm256_mul_ps(common, _mm256_cvtepi32_ps(steps))
    };
    let scale = halves(0);
    let minimum = if layout.has_minimum() {
        halves(layout.minima())
    } else {
        scale
    };
    match layout.steps {
        Steps::None => (scale, minimum),
        _ if layout.has_minimum() => (
            steps(scale, layout.steps()),
            steps(minimum, layout.minimum_steps()),
        ),
        _ => (steps(scale, layout.steps()), minimum),
    }
}

const _: () = assert!(QUADS * 2 * HALF == INPUTS * OUTPUTS);
