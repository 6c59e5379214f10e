//! How quantised weights lie in memory: one layout for decoding and for reading prompts.
//!
//! A matrix of `outputs × inputs` is cut into **tiles** of 16 outputs; a tile has a vector lane per
//! output. A tile is a row of **spans** along the inputs: 32 inputs where every group of weights
//! has a scale of its own, 256 where groups have small integer steps of a common scale (the
//! "K" formats of GGUF). A span is made of these parts, each present only if its format has it:
//!
//! ```text
//!          ┌──────────────────────────────┐
//!          │ scales         16 × f16      │  one per output
//!          │ minima         16 × f16      │  one per output
//!          ├──────────────────────────────┤
//!          │ steps          16 × 8 bit    │  × groups of the span; times `scales`
//!          │ minimum steps  16 × 8 bit    │  × groups of the span; times `minima`
//!          ├──────────────────────────────┤
//! block 0  │ low bits       64 × 2, 4, 8  │  bytes, for 16 outputs × 32 inputs
//!          │ high bits      64 × 0, 1, 2  │
//! block 1  │ …                            │  one block, or eight
//!          └──────────────────────────────┘
//! ```
//!
//! The 32 inputs of a **block** are eight **quads** of four. A vector of 64 bytes holds one quad
//! of all outputs, `byte = output · 4 + input % 4`, which is what `vpdpbusd` multiplies by four
//! activations and adds up per output. Where a weight takes less than a byte, quads share vectors:
//!
//! ```text
//! low 8 bits   vector q      = quad q
//! low 4 bits   vector q % 4  = quad q (q < 4) in bits 0..4, quad q (q ≥ 4) in bits 4..8
//! 2 bits       vector q / 4  = quad q in bits 2·(q % 4)..
//! high 1 bit   vector 0      = quad q in bit q
//! ```
//!
//! The bits of a weight, looked up in the codebook if there is one, are a non-negative number `n`
//! and stand for `scale · (n − 2^zero)`, or for `scale · n − minimum`. No information of the file
//! is lost: dequantising gives what the file's format defines, bit by bit. (But for scales of
//! MXFP4 that are no `f16`: weights below a millionth become 0, and none is larger than 393,216.)

use crate::weights::ElementType;

/// Outputs of a tile.
pub(super) const OUTPUTS: usize = 16;
/// Inputs of a block.
pub(super) const INPUTS: usize = 32;
/// Quads of a block.
pub(super) const QUADS: usize = INPUTS / 4;
/// Bytes of a vector: a quad of every output.
pub(super) const VECTOR: usize = OUTPUTS * 4;

/// The steps of scales in a format of two levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Steps {
    /// Every group has a scale of its own.
    None,
    /// Steps of 0..=255.
    Unsigned,
    /// Steps of −128..=127.
    Signed,
}

/// What tells one format from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// 2, 4 or 8.
    pub(super) low_bits: usize,
    /// 0, 1 or 2.
    pub(super) high_bits: usize,
    /// What four bits stand for.
    pub(super) codebook: Option<&'static [u8; 16]>,
    /// Logarithm of the number that stands for zero; `None` in a format with minima.
    pub(super) zero: Option<u32>,
    /// Inputs that share a scale: 16 or 32.
    pub(super) group: usize,
    pub(super) steps: Steps,
}

impl Layout {
    pub(super) const fn has_minimum(&self) -> bool {
        self.zero.is_none()
    }

    /// Blocks of a span.
    pub(super) const fn blocks(&self) -> usize {
        match self.steps {
            Steps::None => 1,
            _ => 8,
        }
    }

    /// Inputs of a span.
    pub(super) const fn inputs(&self) -> usize {
        self.blocks() * INPUTS
    }

    /// Groups of a block.
    pub(super) const fn groups(&self) -> usize {
        INPUTS / self.group
    }

    /// Bits of a weight before the codebook.
    pub(super) const fn bits(&self) -> usize {
        self.low_bits + self.high_bits
    }

    /// Where the minima of a span begin, if there are any.
    pub(super) const fn minima(&self) -> usize {
        2 * OUTPUTS
    }

    /// Where the steps of a span begin, if there are any.
    pub(super) const fn steps(&self) -> usize {
        2 * OUTPUTS * (1 + self.has_minimum() as usize)
    }

    /// Where the steps of the minima of a span begin, if there are any.
    pub(super) const fn minimum_steps(&self) -> usize {
        self.steps() + self.step_bytes()
    }

    const fn step_bytes(&self) -> usize {
        match self.steps {
            Steps::None => 0,
            _ => OUTPUTS * self.blocks() * self.groups(),
        }
    }

    /// Where block `index` of a span begins.
    pub(super) const fn block(&self, index: usize) -> usize {
        let head = self.minimum_steps() + self.step_bytes() * self.has_minimum() as usize;
        head + index * VECTOR * self.bits()
    }

    /// Bytes of a span of 16 outputs.
    pub(super) const fn span_bytes(&self) -> usize {
        self.block(self.blocks())
    }
}

/// Logarithm of the 128 by which an activation's corrections are multiplied.
pub(super) const CORRECTED_BITS: u32 = 7;

/// A format, known when a kernel is compiled.
pub(super) trait Format {
    const LAYOUT: Layout;
}

/// The values of `IQ4_NL` and `IQ4_XS` (`kvalues_iq4nl` in ggml), plus 128.
static NON_LINEAR: [u8; 16] = [
    1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241,
];

/// The values of `MXFP4`, twice as large as those of the standard (`kvalues_mxfp4` in ggml), plus
/// 128. The block's scale is halved in turn.
static POWERS_AND_HALVES: [u8; 16] = [
    128, 129, 130, 131, 132, 134, 136, 140, 128, 127, 126, 125, 124, 122, 120, 116,
];

/// Names a format of GGUF and describes it.
macro_rules! format {
    ($(#[$attribute:meta])* $name:ident: $low:literal + $high:literal bits, codebook $codebook:expr, zero $zero:expr,
     groups of $group:literal, steps $steps:ident) => {
        $(#[$attribute])*
        pub(super) struct $name;
        impl Format for $name {
            const LAYOUT: Layout = Layout {
                low_bits: $low,
                high_bits: $high,
                codebook: $codebook,
                zero: $zero,
                group: $group,
                steps: Steps::$steps,
            };
        }
    };
}

format!(Q4_0: 4 + 0 bits, codebook None, zero Some(3), groups of 32, steps None);
format!(Q4_1: 4 + 0 bits, codebook None, zero None, groups of 32, steps None);
format!(Q5_0: 4 + 1 bits, codebook None, zero Some(4), groups of 32, steps None);
format!(Q5_1: 4 + 1 bits, codebook None, zero None, groups of 32, steps None);
format!(Q8_0: 8 + 0 bits, codebook None, zero Some(7), groups of 32, steps None);
format!(Q2K: 2 + 0 bits, codebook None, zero None, groups of 16, steps Unsigned);
format!(Q3K: 2 + 1 bits, codebook None, zero Some(2), groups of 16, steps Signed);
format!(Q4K: 4 + 0 bits, codebook None, zero None, groups of 32, steps Unsigned);
format!(Q5K: 4 + 1 bits, codebook None, zero None, groups of 32, steps Unsigned);
format!(Q6K: 4 + 2 bits, codebook None, zero Some(5), groups of 16, steps Signed);
format!(#[expect(non_camel_case_types, reason = "named as in GGUF")] IQ4_NL:
    4 + 0 bits, codebook Some(&NON_LINEAR), zero Some(7), groups of 32, steps None);
format!(#[expect(non_camel_case_types, reason = "named as in GGUF")] IQ4_XS:
    4 + 0 bits, codebook Some(&NON_LINEAR), zero Some(7), groups of 32, steps Signed);
format!(MXFP4: 4 + 0 bits, codebook Some(&POWERS_AND_HALVES), zero Some(7), groups of 32, steps None);

/// Evaluates an expression with a type parameter for the format that an element type names.
macro_rules! with_format {
    ($element_type:expr, $format:ident => $body:expr, else $otherwise:expr) => {
        with_format!(
            @match $element_type, $format => $body, else $otherwise,
            Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2K Q3K Q4K Q5K Q6K IQ4_NL IQ4_XS MXFP4
        )
    };
    (@match $element_type:expr, $format:ident => $body:expr, else $otherwise:expr, $($name:ident)*) => {
        match $element_type {
            $(
                $crate::weights::ElementType::$name => {
                    type $format = $crate::candle::products::packed::layout::$name;
                    $body
                }
            )*
            _ => $otherwise,
        }
    };
}
pub(super) use with_format;

/// The layout of a type of elements, if it can be packed.
pub(super) fn layout(element_type: ElementType) -> Option<Layout> {
    with_format!(element_type, F => Some(F::LAYOUT), else None)
}
