//! Products with matrices of `f32`, `f16` or `bf16`: kept as the file has them, widened as they are
//! read.
//!
//! Weights lie in strips of [`STRIP`] tiles of [`TILE`] outputs. A kernel walks along the inputs of
//! a few tiles and a few rows of activations at once, with one sum per row and output, in the order
//! of the inputs. So the result of a row is the same bit by bit whichever rows share the call.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod kernel;
mod panels;
mod product;
mod scalar;
mod tiles;

use super::instructions::Instructions;
use super::team::team;
use half::{bf16, f16};
use tiles::Tiles;

/// Outputs of a tile: the `f32` of one 512-bit register.
const TILE: usize = 16;
/// Tiles that lie side by side: few rows take them all, and so read memory from end to end.
const STRIP: usize = 4;

/// How a file holds the numbers of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an `f32`.
    Bf16,
}

/// A matrix of `outputs × inputs`, packed once at load.
#[derive(Debug)]
pub(crate) enum Widened {
    /// `f32`, multiplied exactly.
    F32(Tiles<[f32; TILE]>),
    /// `f16`, widened exactly.
    F16(Tiles<[f16; TILE]>),
    /// `bf16`, two inputs side by side; where the processor multiplies such pairs, activations are
    /// rounded to `bf16` as well.
    Bf16(Tiles<[[bf16; 2]; TILE]>),
}

/// Calls a method of whichever tiles a matrix has.
macro_rules! tiles {
    ($matrix:expr, $tiles:ident => $call:expr) => {
        match $matrix {
            Widened::F32($tiles) => $call,
            Widened::F16($tiles) => $call,
            Widened::Bf16($tiles) => $call,
        }
    };
}

impl Widened {
    /// Packs a row-major matrix, little-endian as files have them.
    ///
    /// # Errors
    /// [`std::io::ErrorKind::InvalidInput`] if `bytes` is not of this shape, or what the operating
    /// system says if it has no room.
    pub(crate) fn pack(
        element: Element,
        bytes: &[u8],
        outputs: usize,
        inputs: usize,
    ) -> std::io::Result<Self> {
        Ok(match element {
            Element::F32 => Self::F32(Tiles::pack(team(), bytes, outputs, inputs)?),
            Element::F16 => Self::F16(Tiles::pack(team(), bytes, outputs, inputs)?),
            Element::Bf16 => Self::Bf16(Tiles::pack(team(), bytes, outputs, inputs)?),
        })
    }

    /// Bytes that a matrix takes once it is packed.
    pub(crate) fn packed_bytes(element: Element, outputs: usize, inputs: usize) -> u64 {
        match element {
            Element::F32 => Tiles::<[f32; TILE]>::packed_bytes(outputs, inputs),
            Element::F16 => Tiles::<[f16; TILE]>::packed_bytes(outputs, inputs),
            Element::Bf16 => Tiles::<[[bf16; 2]; TILE]>::packed_bytes(outputs, inputs),
        }
    }

    /// Bytes of its tiles.
    pub(crate) fn bytes(&self) -> usize {
        tiles!(self, tiles => tiles.bytes())
    }

    /// Number of rows: the width of a product.
    pub(crate) fn outputs(&self) -> usize {
        tiles!(self, tiles => tiles.outputs())
    }

    /// Number of columns: the width of what it is multiplied with.
    pub(crate) fn inputs(&self) -> usize {
        tiles!(self, tiles => tiles.inputs())
    }

    /// Row `index` as `f32`, `inputs` values.
    pub(crate) fn row(&self, index: usize, values: &mut [f32]) {
        tiles!(self, tiles => tiles.row(index, values));
    }

    /// `x · Wᵀ`: `rows × inputs` to `rows × outputs`.
    pub(crate) fn multiply(&self, x: &[f32]) -> Vec<f32> {
        let mut products = Self::multiply_all(&[self], x);
        products.pop().unwrap_or_default()
    }

    /// The products of one input with several matrices, in order. If all are of one kind, they are
    /// one operation for the team.
    pub(crate) fn multiply_all(matrices: &[&Self], x: &[f32]) -> Vec<Vec<f32>> {
        let (instructions, team) = (Instructions::best(), team());
        /// The tiles of all matrices, if all are of this variant.
        macro_rules! all {
            ($variant:ident) => {
                matrices
                    .iter()
                    .map(|matrix| match matrix {
                        Self::$variant(tiles) => Some(tiles),
                        _ => None,
                    })
                    .collect::<Option<Vec<_>>>()
            };
        }
        if let Some(tiles) = all!(F32) {
            product::multiply(&tiles, instructions, team, x)
        } else if let Some(tiles) = all!(F16) {
            product::multiply(&tiles, instructions, team, x)
        } else if let Some(tiles) = all!(Bf16) {
            product::multiply(&tiles, instructions, team, x)
        } else {
            matrices.iter().map(|matrix| matrix.multiply(x)).collect()
        }
    }
}

#[cfg(test)]
mod tests;
