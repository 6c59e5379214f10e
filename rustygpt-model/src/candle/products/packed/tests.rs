use super::layout::OUTPUTS;
use super::{Activations, Packed};
use crate::candle::products::instructions::Instructions;
use crate::weights::ElementType;
use half::f16;

/// Every packed type, and where the `f16` numbers of its blocks are.
const TYPES: [(ElementType, &[usize]); 13] = [
    (ElementType::Q4_0, &[0]),
    (ElementType::Q4_1, &[0, 2]),
    (ElementType::Q5_0, &[0]),
    (ElementType::Q5_1, &[0, 2]),
    (ElementType::Q8_0, &[0]),
    (ElementType::Q2K, &[80, 82]),
    (ElementType::Q3K, &[108]),
    (ElementType::Q4K, &[0, 2]),
    (ElementType::Q5K, &[0, 2]),
    (ElementType::Q6K, &[208]),
    (ElementType::IQ4_NL, &[0]),
    (ElementType::IQ4_XS, &[0]),
    // Its scales are bytes.
    (ElementType::MXFP4, &[]),
];

/// Xorshift: the same numbers on every machine.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Nearly normal, of variance 1.
    pub(super) fn normal(&mut self) -> f32 {
        let sum: f32 = (0..12)
            .map(|_| (self.next() >> 40) as f32 / 16_777_216.0)
            .sum();
        sum - 6.0
    }
}

/// What weights consist of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Weights {
    Random,
    /// Every bit of every quant and step set.
    Largest,
    /// Quants at random, scales zero.
    ScaledToZero,
    /// Scales that are denormal as `f16`.
    Denormal,
}

pub(super) fn weights(
    (element_type, halves): (ElementType, &[usize]),
    kind: Weights,
    outputs: usize,
    inputs: usize,
) -> Vec<u8> {
    let mut random = Random::new(inputs as u64 + 7);
    let block = element_type.block_bytes() as usize;
    let blocks = outputs * inputs / element_type.block_elements() as usize;
    let mut bytes: Vec<u8> = (0..blocks * block)
        .map(|_| (random.next() >> 32) as u8)
        .collect();
    if matches!(kind, Weights::Largest) {
        bytes.fill(0xff);
    }
    for block in bytes.chunks_exact_mut(block) {
        if element_type == ElementType::MXFP4 {
            block[0] = match kind {
                Weights::Random => 118 + block[0] % 2,
                Weights::Largest => 128,
                Weights::ScaledToZero => 0,
                Weights::Denormal => 104,
            };
        }
        for &at in halves {
            let scale = match kind {
                Weights::Random => f16::from_f32(random.normal() / 256.0),
                Weights::Largest => f16::from_f32(1.0),
                Weights::ScaledToZero => f16::ZERO,
                Weights::Denormal => f16::from_bits(1),
            };
            block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
        }
    }
    bytes
}

/// Activations of a kind per row: ordinary, all equal, one huge among small, zero, denormal.
fn activations(rows: usize, inputs: usize) -> Vec<f32> {
    let mut random = Random::new(rows as u64 + 13);
    let mut x = Vec::with_capacity(rows * inputs);
    for row in 0..rows {
        for input in 0..inputs {
            x.push(match row % 6 {
                0 | 1 => random.normal(),
                2 => -3.0,
                3 if input == inputs / 2 => 1e30,
                3 => random.normal(),
                4 => 0.0,
                _ => f32::from_bits(input as u32),
            });
        }
    }
    x
}

/// The product of one matrix.
fn multiply(set: Instructions, matrix: &Packed, x: &Activations) -> Vec<f32> {
    let mut product = vec![f32::NAN; x.rows() * matrix.outputs()];
    super::multiply_with(set, [matrix], x, [&mut product]);
    product
}

fn widths(element_type: ElementType) -> &'static [usize] {
    if element_type.block_elements() == 256 {
        &[256, 512, 4864]
    } else {
        &[32, 64, 96, 256, 896, 4864]
    }
}

pub(super) fn pack(
    element_type: ElementType,
    bytes: &[u8],
    outputs: usize,
    inputs: usize,
) -> Packed {
    Packed::pack(element_type, bytes, outputs, inputs)
        .unwrap()
        .unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_instruction_set_computes_the_same_bits() {
    let sets = Instructions::detected();
    for kind in [
        Weights::Random,
        Weights::Largest,
        Weights::ScaledToZero,
        Weights::Denormal,
    ] {
        for described in TYPES {
            for &inputs in widths(described.0) {
                for (outputs, rows) in [(1, 1), (OUTPUTS, 2), (OUTPUTS + 3, 12), (40, 27)] {
                    let bytes = weights(described, kind, outputs, inputs);
                    let matrix = pack(described.0, &bytes, outputs, inputs);
                    let x = Activations::quantise(&activations(rows, inputs), inputs);
                    let expected = &multiply(Instructions::Scalar, &matrix, &x);
                    assert_eq!(expected.len(), rows * outputs);
                    for &set in &sets[1..] {
                        let product = &multiply(set, &matrix, &x);
                        assert_eq!(
                            bits(product),
                            bits(expected),
                            "{set:?}, {described:?}, {kind:?}, {rows} × {outputs} × {inputs}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_rows_and_matrices_beside_it() {
    let (outputs, inputs, rows) = (50, 512, 31);
    let x = activations(rows, inputs);
    for described in TYPES {
        let bytes = weights(described, Weights::Random, outputs, inputs);
        let matrix = pack(described.0, &bytes, outputs, inputs);
        let other = pack(described.0, &bytes[..bytes.len() / 2], outputs / 2, inputs);
        for &set in Instructions::detected() {
            let together = Activations::quantise(&x, inputs);
            let mut product = vec![0.0; rows * outputs];
            let mut beside = vec![0.0; rows * other.outputs()];
            super::multiply_with(
                set,
                [&other, &matrix],
                &together,
                [&mut beside, &mut product],
            );
            for (row, x) in x.chunks_exact(inputs).enumerate() {
                let alone = multiply(set, &matrix, &Activations::quantise(x, inputs));
                assert_eq!(
                    bits(&alone),
                    bits(&product[row * outputs..(row + 1) * outputs]),
                    "{set:?}, {described:?}, row {row}"
                );
            }
        }
    }
}

#[test]
fn products_are_as_exact_as_eight_bits_allow() {
    let (outputs, inputs, rows) = (48, 1024, 5);
    let mut random = Random::new(5);
    let x: Vec<f32> = (0..rows * inputs).map(|_| random.normal()).collect();
    for described in TYPES {
        let bytes = weights(described, Weights::Random, outputs, inputs);
        let matrix = pack(described.0, &bytes, outputs, inputs);
        let x_quantised = Activations::quantise(&x, inputs);
        let product = multiply(Instructions::best(), &matrix, &x_quantised);
        let (mut errors, mut squares) = (0f64, 0f64);
        let mut weights = vec![0f32; inputs];
        for output in 0..outputs {
            matrix.row(output, &mut weights);
            for (row, x) in x.chunks_exact(inputs).enumerate() {
                let exact: f64 = x
                    .iter()
                    .zip(&weights)
                    .map(|(x, weight)| f64::from(*x) * f64::from(*weight))
                    .sum();
                errors += (f64::from(product[row * outputs + output]) - exact).powi(2);
                squares += exact.powi(2);
            }
        }
        // A step is 1/127 of the largest of 32 normal values, about 2.1: the error's deviation is
        // 2.1 / 127 / √12 of a value's, 0.5 %.
        let error = (errors / squares).sqrt();
        assert!((1e-3..6e-3).contains(&error), "{described:?}: {error}");
    }
}

#[test]
fn what_is_not_a_number_is_not_hidden() {
    let (element_type, inputs) = (ElementType::Q8_0, 64);
    let bytes = weights(TYPES[4], Weights::Random, 16, inputs);
    let matrix = pack(element_type, &bytes, 16, inputs);
    for culprit in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = vec![1.0; inputs];
        x[40] = culprit;
        for &set in Instructions::detected() {
            let x = Activations::quantise(&x, inputs);
            let product = &multiply(set, &matrix, &x);
            assert!(
                product.iter().all(|value| !value.is_finite()),
                "{set:?}: {product:?}"
            );
        }
    }
}

#[test]
fn what_is_not_whole_blocks_is_not_packed() {
    let pack = |element_type, bytes, outputs, inputs| {
        Packed::pack(element_type, &vec![0; bytes], outputs, inputs)
            .unwrap()
            .is_some()
    };
    assert!(pack(ElementType::Q8_0, 34 * 2, 1, 64));
    assert!(!pack(ElementType::Q8_0, 34 * 2, 1, 48));
    assert!(!pack(ElementType::Q8_0, 34 * 2 - 1, 1, 64));
    assert!(!pack(ElementType::Q4K, 144, 1, 128));
    assert!(!pack(ElementType::F16, 128, 1, 64));
}

/// The file's definition of a row, from Candle or, where it has none, from ggml's source.
mod exact {
    use super::{TYPES, Weights, pack, weights};
    use crate::weights::ElementType;
    use candle_core::Device;
    use candle_core::quantized::{GgmlDType, QStorage, QTensor};
    use half::f16;
    use std::borrow::Cow;

    fn by_candle(dtype: GgmlDType, bytes: &[u8], outputs: usize, inputs: usize) -> Vec<f32> {
        let storage = QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, dtype).unwrap();
        let tensor = QTensor::new(storage, (outputs, inputs)).unwrap();
        let values = tensor.dequantize(&Device::Cpu).unwrap();
        values.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// `kvalues_iq4nl`.
    const VALUES: [i8; 16] = [
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
    ];

    /// `dequantize_row_iq4_nl`.
    fn non_linear(bytes: &[u8]) -> Vec<f32> {
        let mut values = Vec::new();
        for block in bytes.chunks_exact(18) {
            let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
            let value = |index: u8| scale * f32::from(VALUES[usize::from(index)]);
            values.extend(block[2..].iter().map(|byte| value(byte & 15)));
            values.extend(block[2..].iter().map(|byte| value(byte >> 4)));
        }
        values
    }

    /// `dequantize_row_mxfp4`, and `kvalues_mxfp4`.
    fn powers(bytes: &[u8]) -> Vec<f32> {
        const VALUES: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
        let mut values = Vec::new();
        for block in bytes.chunks_exact(17) {
            let scale = 2f32.powi(i32::from(block[0]) - 128);
            let value = |index: u8| scale * f32::from(VALUES[usize::from(index)]);
            values.extend(block[1..].iter().map(|byte| value(byte & 15)));
            values.extend(block[1..].iter().map(|byte| value(byte >> 4)));
        }
        values
    }

    #[test]
    fn scales_that_are_powers_of_two_are_kept_from_end_to_end_of_half_precision() {
        for exponent in 104..=143 {
            let block: Vec<u8> = [exponent].into_iter().chain([0xf7; 16]).collect();
            let mut row = [0f32; 32];
            pack(ElementType::MXFP4, &block, 1, 32).row(0, &mut row);
            assert_eq!(
                row.to_vec(),
                powers(&block),
                "2^{}",
                i32::from(exponent) - 128
            );
        }
        for (exponent, largest) in [(103, 0.0), (0, 0.0), (144, 393_216.0), (255, 393_216.0)] {
            let block: Vec<u8> = [exponent].into_iter().chain([0xf7; 16]).collect();
            let mut row = [0f32; 32];
            pack(ElementType::MXFP4, &block, 1, 32).row(0, &mut row);
            assert_eq!(row[0], largest, "2^{}", i32::from(exponent) - 128);
        }
    }

    /// `dequantize_row_iq4_xs`.
    fn non_linear_in_steps(bytes: &[u8]) -> Vec<f32> {
        let mut values = Vec::new();
        for block in bytes.chunks_exact(136) {
            let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
            let high = u16::from_le_bytes([block[2], block[3]]);
            for (index, packed) in block[8..].chunks_exact(16).enumerate() {
                let low = (block[4 + index / 2] >> (4 * (index % 2))) & 15;
                let step = i32::from(low) | (i32::from((high >> (2 * index)) & 3) << 4);
                let scale = scale * (step - 32) as f32;
                let value = |index: u8| scale * f32::from(VALUES[usize::from(index)]);
                values.extend(packed.iter().map(|byte| value(byte & 15)));
                values.extend(packed.iter().map(|byte| value(byte >> 4)));
            }
        }
        values
    }

    #[test]
    fn rows_are_what_the_file_defines() {
        let (outputs, inputs) = (21, 768);
        for described in TYPES {
            for kind in [Weights::Random, Weights::Largest, Weights::Denormal] {
                let bytes = weights(described, kind, outputs, inputs);
                let expected = match described.0 {
                    ElementType::IQ4_NL => non_linear(&bytes),
                    ElementType::IQ4_XS => non_linear_in_steps(&bytes),
                    ElementType::MXFP4 => powers(&bytes),
                    ElementType::Q4_0 => by_candle(GgmlDType::Q4_0, &bytes, outputs, inputs),
                    ElementType::Q4_1 => by_candle(GgmlDType::Q4_1, &bytes, outputs, inputs),
                    ElementType::Q5_0 => by_candle(GgmlDType::Q5_0, &bytes, outputs, inputs),
                    ElementType::Q5_1 => by_candle(GgmlDType::Q5_1, &bytes, outputs, inputs),
                    ElementType::Q8_0 => by_candle(GgmlDType::Q8_0, &bytes, outputs, inputs),
                    ElementType::Q2K => by_candle(GgmlDType::Q2K, &bytes, outputs, inputs),
                    ElementType::Q3K => by_candle(GgmlDType::Q3K, &bytes, outputs, inputs),
                    ElementType::Q4K => by_candle(GgmlDType::Q4K, &bytes, outputs, inputs),
                    ElementType::Q5K => by_candle(GgmlDType::Q5K, &bytes, outputs, inputs),
                    _ => by_candle(GgmlDType::Q6K, &bytes, outputs, inputs),
                };
                let matrix = pack(described.0, &bytes, outputs, inputs);
                let mut row = vec![0f32; inputs];
                for (index, expected) in expected.chunks_exact(inputs).enumerate() {
                    matrix.row(index, &mut row);
                    assert_eq!(row, expected, "{described:?}, {kind:?}, row {index}");
                }
            }
        }
    }
}
