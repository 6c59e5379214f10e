//! Reading GGUF's quantised blocks, as `ggml/src/ggml-common.h` and `ggml-quants.c` define them,
//! into one plain form.

use super::layout::{
    IQ4_NL, IQ4_XS, MXFP4, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0, QUADS,
};

/// 32 or 256 weights of one output.
pub(super) struct Span {
    /// A number per weight, in order, before the codebook.
    pub(super) quants: [u8; 256],
    /// `f16`.
    pub(super) scale: [u8; 2],
    /// `f16`; subtracted.
    pub(super) minimum: [u8; 2],
    /// A step per group, in order.
    pub(super) steps: [u8; 16],
    pub(super) minimum_steps: [u8; 16],
}

impl Span {
    pub(super) const ZERO: Self = Self {
        quants: [0; 256],
        scale: [0; 2],
        minimum: [0; 2],
        steps: [0; 16],
        minimum_steps: [0; 16],
    };

    /// The quads of block `index` as little-endian words.
    #[inline(always)]
    pub(super) fn quads(&self, index: usize) -> [u32; QUADS] {
        let mut quads = [0; QUADS];
        for (quad, bytes) in quads
            .iter_mut()
            .zip(self.quants.as_chunks::<4>().0[index * QUADS..].iter())
        {
            *quad = u32::from_le_bytes(*bytes);
        }
        quads
    }
}

/// A format of which blocks can be read.
pub(super) trait Readable {
    /// Bytes of a span in a file.
    const BYTES: usize;
    /// Reads one span; `block` has [`Self::BYTES`] bytes.
    fn read(block: &[u8], span: &mut Span);
}

/// Cuts a block into fields of fixed lengths.
macro_rules! fields {
    ($block:ident => $($field:ident: $length:literal),+) => {
        let rest = $block;
        $(
            let (&$field, rest) = rest.split_first_chunk::<$length>().unwrap_or((&[0; $length], &[]));
        )+
        debug_assert!(rest.is_empty(), "a block of another length");
    };
}

/// Two blocks of nibbles: the low ones are the first half.
#[inline(always)]
fn nibbles<const N: usize>(packed: &[u8; N], quants: &mut [u8]) {
    let (low, high) = quants.split_at_mut(N);
    for ((byte, low), high) in packed.iter().zip(low).zip(high) {
        *low = byte & 15;
        *high = byte >> 4;
    }
}

/// Sets bit 4 of 32 numbers.
#[inline(always)]
fn fifth_bits(bits: [u8; 4], quants: &mut [u8]) {
    let bits = u32::from_le_bytes(bits);
    for (index, quant) in quants.iter_mut().enumerate() {
        *quant |= (((bits >> index) & 1) << 4) as u8;
    }
}

fn negated([low, high]: [u8; 2]) -> [u8; 2] {
    [low, high ^ 0x80]
}

impl Readable for Q4_0 {
    const BYTES: usize = 18;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => scale: 2, packed: 16);
        span.scale = scale;
        nibbles(&packed, &mut span.quants[..32]);
    }
}

impl Readable for IQ4_NL {
    const BYTES: usize = 18;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        Q4_0::read(block, span);
    }
}

/// Half of a scale that is a power of two, as `f16`: 2^(exponent − 128).
fn half_of_power(exponent: u8) -> [u8; 2] {
    // What `f16` counts its own exponent from, and the bits behind it.
    const BIAS: i32 = 15;
    const FRACTION: i32 = 10;
    let power = i32::from(exponent) - 128;
    let bits = match power + BIAS {
        exponent @ 1..=30 => exponent << FRACTION,
        31.. => 30 << FRACTION,
        // Denormal numbers.
        exponent @ -9..=0 => 1 << (FRACTION - 1 + exponent),
        _ => 0,
    };
    (bits as u16).to_le_bytes()
}

impl Readable for MXFP4 {
    const BYTES: usize = 17;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => exponent: 1, packed: 16);
        span.scale = half_of_power(exponent[0]);
        nibbles(&packed, &mut span.quants[..32]);
    }
}

impl Readable for Q4_1 {
    const BYTES: usize = 20;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => scale: 2, minimum: 2, packed: 16);
        span.scale = scale;
        span.minimum = negated(minimum);
        nibbles(&packed, &mut span.quants[..32]);
    }
}

impl Readable for Q5_0 {
    const BYTES: usize = 22;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => scale: 2, high: 4, packed: 16);
        span.scale = scale;
        nibbles(&packed, &mut span.quants[..32]);
        fifth_bits(high, &mut span.quants[..32]);
    }
}

impl Readable for Q5_1 {
    const BYTES: usize = 24;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => scale: 2, minimum: 2, high: 4, packed: 16);
        span.scale = scale;
        span.minimum = negated(minimum);
        nibbles(&packed, &mut span.quants[..32]);
        fifth_bits(high, &mut span.quants[..32]);
    }
}

impl Readable for Q8_0 {
    const BYTES: usize = 34;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => scale: 2, values: 32);
        span.scale = scale;
        for (quant, value) in span.quants.iter_mut().zip(values) {
            *quant = value ^ 0x80;
        }
    }
}

/// The two-bit numbers of `Q2_K` and `Q3_K`: 128 from each 32 bytes.
#[inline(always)]
fn two_bits(packed: &[u8; 64], quants: &mut [u8; 256]) {
    for (packed, quants) in packed
        .as_chunks::<32>()
        .0
        .iter()
        .zip(quants.as_chunks_mut::<128>().0)
    {
        for (shift, quants) in quants.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (quant, byte) in quants.iter_mut().zip(packed) {
                *quant = (byte >> (2 * shift)) & 3;
            }
        }
    }
}

impl Readable for Q2K {
    const BYTES: usize = 84;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => steps: 16, packed: 64, scale: 2, minimum: 2);
        span.scale = scale;
        span.minimum = minimum;
        for (index, step) in steps.iter().enumerate() {
            span.steps[index] = step & 15;
            span.minimum_steps[index] = step >> 4;
        }
        two_bits(&packed, &mut span.quants);
    }
}

impl Readable for Q3K {
    const BYTES: usize = 110;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => high: 32, packed: 64, steps: 12, scale: 2);
        span.scale = scale;
        for index in 0..16 {
            // Four low bits in the first eight bytes, two high bits in the last four.
            let low = (steps[index % 8] >> (4 * (index / 8))) & 15;
            let high = (steps[8 + index % 4] >> (2 * (index / 4))) & 3;
            span.steps[index] = (low | (high << 4)).wrapping_sub(32);
        }
        two_bits(&packed, &mut span.quants);
        for (bit, quants) in span.quants.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (quant, high) in quants.iter_mut().zip(high) {
                *quant |= ((high >> bit) & 1) << 2;
            }
        }
    }
}

/// The six-bit steps of `Q4_K` and `Q5_K`: eight of scales, eight of minima.
#[inline(always)]
fn six_bits(packed: [u8; 12], span: &mut Span) {
    for index in 0..4 {
        span.steps[index] = packed[index] & 63;
        span.minimum_steps[index] = packed[index + 4] & 63;
        span.steps[index + 4] = (packed[index + 8] & 15) | ((packed[index] >> 6) << 4);
        span.minimum_steps[index + 4] = (packed[index + 8] >> 4) | ((packed[index + 4] >> 6) << 4);
    }
}

/// The nibbles of `Q4_K` and `Q5_K`: 64 from each 32 bytes.
#[inline(always)]
fn paired_nibbles(packed: &[u8; 128], quants: &mut [u8; 256]) {
    for (packed, quants) in packed
        .as_chunks::<32>()
        .0
        .iter()
        .zip(quants.as_chunks_mut::<64>().0)
    {
        nibbles(packed, quants);
    }
}

impl Readable for Q4K {
    const BYTES: usize = 144;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => scale: 2, minimum: 2, steps: 12, packed: 128);
        span.scale = scale;
        span.minimum = minimum;
        six_bits(steps, span);
        paired_nibbles(&packed, &mut span.quants);
    }
}

impl Readable for Q5K {
    const BYTES: usize = 176;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => scale: 2, minimum: 2, steps: 12, high: 32, packed: 128);
        span.scale = scale;
        span.minimum = minimum;
        six_bits(steps, span);
        paired_nibbles(&packed, &mut span.quants);
        for (bit, quants) in span.quants.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (quant, high) in quants.iter_mut().zip(high) {
                *quant |= ((high >> bit) & 1) << 4;
            }
        }
    }
}

impl Readable for Q6K {
    const BYTES: usize = 210;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => low: 128, high: 64, steps: 16, scale: 2);
        span.scale = scale;
        span.steps = steps;
        let halves = span.quants.as_chunks_mut::<128>().0.iter_mut();
        let sources = low.as_chunks::<64>().0.iter().zip(high.as_chunks::<32>().0);
        for (quants, (low, high)) in halves.zip(sources) {
            nibbles(low, quants);
            for (part, quants) in quants.as_chunks_mut::<32>().0.iter_mut().enumerate() {
                for (quant, high) in quants.iter_mut().zip(high) {
                    *quant |= ((high >> (2 * part)) & 3) << 4;
                }
            }
        }
    }
}

impl Readable for IQ4_XS {
    const BYTES: usize = 136;
    #[inline(always)]
    fn read(block: &[u8], span: &mut Span) {
        fields!(block => scale: 2, high: 2, low: 4, packed: 128);
        span.scale = scale;
        let high = u16::from_le_bytes(high);
        for index in 0..8 {
            let low = (low[index / 2] >> (4 * (index % 2))) & 15;
            let high = ((high >> (2 * index)) & 3) as u8;
            span.steps[index] = (low | (high << 4)).wrapping_sub(32);
        }
        for (packed, quants) in packed
            .as_chunks::<16>()
            .0
            .iter()
            .zip(span.quants.as_chunks_mut::<32>().0)
        {
            nibbles(packed, quants);
        }
    }
}
