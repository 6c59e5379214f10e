//! [`TensorInfo`]: where a tensor lies and how it is stored.

use super::ElementType;

/// A tensor of a model file whose extent has been proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in the file, unique within the model.
    pub name: String,
    /// How its numbers are stored.
    pub element_type: ElementType,
    /// Row-major, outermost dimension first (the reverse of GGUF's order); empty for a scalar.
    pub shape: Vec<usize>,
    /// Bytes it takes in the file; follows from `element_type` and `shape`.
    pub byte_length: u64,
    /// Which file of the model holds it.
    pub(crate) file: usize,
    /// Where it begins in that file, in bytes.
    pub(crate) offset: u64,
}

impl TensorInfo {
    /// Number of elements; proved not to overflow when the file was opened.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|&length| length as u64).product()
    }
}

/// Bytes of a tensor of this type and shape; `None` where a product overflows or the elements do
/// not fill whole blocks.
pub(crate) fn byte_length(element_type: ElementType, shape: &[u64]) -> Option<u64> {
    // An empty tensor must not hide lengths that no stride could be computed from. Signed, because
    // tensor libraries keep counts in i64.
    let stride = shape
        .iter()
        .try_fold(1_u64, |product, &length| product.checked_mul(length.max(1)))?;
    i64::try_from(stride).ok()?;
    let elements = if shape.contains(&0) { 0 } else { stride };
    if elements % element_type.block_elements() != 0 {
        return None;
    }
    let bytes =
        (elements / element_type.block_elements()).checked_mul(element_type.block_bytes())?;
    i64::try_from(bytes).ok()?;
    Some(bytes)
}

/// Proves that no two extents share a byte; names the first pair that does. Empty extents share
/// nothing.
pub(crate) fn find_overlap(tensors: &[TensorInfo]) -> Option<(&TensorInfo, &TensorInfo)> {
    let mut order: Vec<&TensorInfo> = tensors.iter().filter(|t| t.byte_length > 0).collect();
    order.sort_unstable_by_key(|tensor| tensor.offset);
    order
        .windows(2)
        .find(|pair| pair[0].offset + pair[0].byte_length > pair[1].offset)
        .map(|pair| (pair[0], pair[1]))
}
