//! [`ElementType`]: how numbers are stored in a model file, by name and size.

/// How the numbers of a tensor are stored.
///
/// The variants carry the names of ggml (`ggml/include/ggml.h`) and of safetensors. A type being
/// known here means that its extent can be proved, not that an engine can compute with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    non_camel_case_types,
    reason = "the variants are the formats' own names"
)]
pub enum ElementType {
    F32,
    F16,
    BF16,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
    C64,
    F8_E4M3,
    F8_E5M2,
    F8_E8M0,
    F6_E2M3,
    F6_E3M2,
    F4,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    Q8K,
    IQ1_S,
    IQ1_M,
    IQ2_XXS,
    IQ2_XS,
    IQ2_S,
    IQ3_XXS,
    IQ3_S,
    IQ4_NL,
    IQ4_XS,
    TQ1_0,
    TQ2_0,
    MXFP4,
    NVFP4,
    Q1_0,
    Q2_0,
}

/// One row of [`TYPES`]: name, ggml's number where ggml has one, elements and bytes of a block.
type Row = (ElementType, &'static str, Option<u32>, u64, u64);

/// Every type once. Block sizes as in `ggml/src/ggml-common.h`; a plain number is a block of one.
const TYPES: [Row; 47] = {
    use ElementType as E;
    [
        (E::F32, "F32", Some(0), 1, 4),
        (E::F16, "F16", Some(1), 1, 2),
        (E::BF16, "BF16", Some(30), 1, 2),
        (E::F64, "F64", Some(28), 1, 8),
        (E::I8, "I8", Some(24), 1, 1),
        (E::I16, "I16", Some(25), 1, 2),
        (E::I32, "I32", Some(26), 1, 4),
        (E::I64, "I64", Some(27), 1, 8),
        (E::U8, "U8", None, 1, 1),
        (E::U16, "U16", None, 1, 2),
        (E::U32, "U32", None, 1, 4),
        (E::U64, "U64", None, 1, 8),
        (E::Bool, "BOOL", None, 1, 1),
        (E::C64, "C64", None, 1, 8),
        (E::F8_E4M3, "F8_E4M3", None, 1, 1),
        (E::F8_E5M2, "F8_E5M2", None, 1, 1),
        (E::F8_E8M0, "F8_E8M0", None, 1, 1),
        (E::F6_E2M3, "F6_E2M3", None, 4, 3),
        (E::F6_E3M2, "F6_E3M2", None, 4, 3),
        (E::F4, "F4", None, 2, 1),
        (E::Q4_0, "Q4_0", Some(2), 32, 18),
        (E::Q4_1, "Q4_1", Some(3), 32, 20),
        (E::Q5_0, "Q5_0", Some(6), 32, 22),
        (E::Q5_1, "Q5_1", Some(7), 32, 24),
        (E::Q8_0, "Q8_0", Some(8), 32, 34),
        (E::Q8_1, "Q8_1", Some(9), 32, 36),
        (E::Q2K, "Q2_K", Some(10), 256, 84),
        (E::Q3K, "Q3_K", Some(11), 256, 110),
        (E::Q4K, "Q4_K", Some(12), 256, 144),
        (E::Q5K, "Q5_K", Some(13), 256, 176),
        (E::Q6K, "Q6_K", Some(14), 256, 210),
        (E::Q8K, "Q8_K", Some(15), 256, 292),
        (E::IQ2_XXS, "IQ2_XXS", Some(16), 256, 66),
        (E::IQ2_XS, "IQ2_XS", Some(17), 256, 74),
        (E::IQ3_XXS, "IQ3_XXS", Some(18), 256, 98),
        (E::IQ1_S, "IQ1_S", Some(19), 256, 50),
        (E::IQ4_NL, "IQ4_NL", Some(20), 32, 18),
        (E::IQ3_S, "IQ3_S", Some(21), 256, 110),
        (E::IQ2_S, "IQ2_S", Some(22), 256, 82),
        (E::IQ4_XS, "IQ4_XS", Some(23), 256, 136),
        (E::IQ1_M, "IQ1_M", Some(29), 256, 56),
        (E::TQ1_0, "TQ1_0", Some(34), 256, 54),
        (E::TQ2_0, "TQ2_0", Some(35), 256, 66),
        (E::MXFP4, "MXFP4", Some(39), 32, 17),
        (E::NVFP4, "NVFP4", Some(40), 64, 36),
        (E::Q1_0, "Q1_0", Some(41), 128, 18),
        (E::Q2_0, "Q2_0", Some(42), 64, 18),
    ]
};

impl ElementType {
    /// Every type that is known.
    pub fn all() -> impl Iterator<Item = Self> {
        TYPES.iter().map(|row| row.0)
    }

    /// The type that has this number in a GGUF file.
    #[must_use]
    pub fn from_ggml(number: u32) -> Option<Self> {
        TYPES
            .iter()
            .find(|row| row.2 == Some(number))
            .map(|row| row.0)
    }

    /// The type that a safetensors header calls by this name.
    #[must_use]
    pub fn from_safetensors(name: &str) -> Option<Self> {
        let is_safetensors = |row: &&Row| {
            use ElementType as E;
            row.2.is_none()
                || matches!(
                    row.0,
                    E::F32 | E::F16 | E::BF16 | E::F64 | E::I8 | E::I16 | E::I32 | E::I64
                )
        };
        TYPES
            .iter()
            .filter(is_safetensors)
            .find(|row| row.1 == name)
            .map(|row| row.0)
    }

    /// Its number in a GGUF file, where it has one.
    #[must_use]
    pub fn ggml_number(self) -> Option<u32> {
        self.row().2
    }

    /// Its name as llama.cpp and safetensors print it, for example `Q4_K`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Elements in one block; 1 for plain numbers.
    #[must_use]
    pub fn block_elements(self) -> u64 {
        self.row().3
    }

    /// Bytes of one block.
    #[must_use]
    pub fn block_bytes(self) -> u64 {
        self.row().4
    }

    /// Whether several elements share one block, as ggml's quantised types do.
    #[must_use]
    pub fn is_quantized(self) -> bool {
        self.block_elements() > 1
    }

    fn row(self) -> &'static Row {
        // The table lists every type once (a test holds it); the first row never serves.
        TYPES.iter().find(|row| row.0 == self).unwrap_or(&TYPES[0])
    }
}

impl std::fmt::Display for ElementType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_stands_once_in_the_table() {
        for (index, row) in TYPES.iter().enumerate() {
            let same = |other: &Row| {
                row.0 == other.0 || row.1 == other.1 || (row.2.is_some() && row.2 == other.2)
            };
            assert!(!TYPES[index + 1..].iter().any(same), "{row:?} stands twice");
            assert_eq!(row.0.name(), row.1);
        }
        assert_eq!(
            TYPES.len(),
            ElementType::Q2_0 as usize + 1,
            "a type is missing"
        );
    }

    #[test]
    fn numbers_and_names_lead_to_the_same_type() {
        for element_type in ElementType::all() {
            if let Some(number) = element_type.ggml_number() {
                assert_eq!(ElementType::from_ggml(number), Some(element_type));
            } else {
                let name = element_type.name();
                assert_eq!(ElementType::from_safetensors(name), Some(element_type));
            }
        }
        // Removed from ggml: Q4_2, Q4_3, the repacked Q4_0 and IQ4_NL.
        for number in [4, 5, 31, 32, 33, 36, 37, 38, 43, u32::MAX] {
            assert_eq!(ElementType::from_ggml(number), None);
        }
        assert_eq!(ElementType::from_safetensors("Q4_0"), None);
    }
}
