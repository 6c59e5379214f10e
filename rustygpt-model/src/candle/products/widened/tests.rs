use super::kernel::Group;
use super::*;
use crate::candle::products::team::Team;

/// Numbers between −1 and 1 that repeat on every machine.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed * 2 + 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A matrix in a file's bytes, and what they mean.
fn matrix(element: Element, count: usize, seed: u64) -> (Vec<u8>, Vec<f32>) {
    let values = numbers(count, seed);
    match element {
        Element::F32 => (
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            values,
        ),
        Element::F16 => {
            let values: Vec<f16> = values.into_iter().map(f16::from_f32).collect();
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (bytes, values.iter().map(|v| v.to_f32()).collect())
        }
        Element::Bf16 => {
            let values: Vec<bf16> = values.into_iter().map(bf16::from_f32).collect();
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (bytes, values.iter().map(|v| v.to_f32()).collect())
        }
    }
}

const ELEMENTS: [Element; 3] = [Element::F32, Element::F16, Element::Bf16];

fn product(weights: &Widened, instructions: Instructions, team: &Team, x: &[f32]) -> Vec<f32> {
    fn of<G: Group>(
        tiles: &Tiles<G>,
        instructions: Instructions,
        team: &Team,
        x: &[f32],
    ) -> Vec<f32> {
        product::multiply(&[tiles], instructions, team, x).remove(0)
    }
    tiles!(weights, tiles => of(tiles, instructions, team, x))
}

/// `Σ xᵢ · wᵢ` and `Σ |xᵢ · wᵢ|`, which bounds what rounding may do.
fn exact(x: &[f32], weights: &[f32]) -> (f64, f64) {
    x.iter()
        .zip(weights)
        .fold((0.0, 0.0), |(sum, size), (x, w)| {
            let product = f64::from(*x) * f64::from(*w);
            (sum + product, size + product.abs())
        })
}

#[test]
fn products_agree_with_float64_on_all_instructions() {
    let team = Team::new(3);
    // Outputs that fill no strip, inputs that fill no step and that exceed both strides.
    for (outputs, inputs) in [(1, 1), (16, 32), (70, 33), (130, 96), (65, 2085)] {
        for element in ELEMENTS {
            let (bytes, weights) = matrix(element, outputs * inputs, 1);
            let packed = Widened::pack(element, &bytes, outputs, inputs).unwrap();
            for &instructions in Instructions::detected() {
                for rows in [1, 2, 5, 7, 12, 29] {
                    let x = numbers(rows * inputs, 2);
                    let product = product(&packed, instructions, &team, &x);
                    assert_eq!(product.len(), rows * outputs);
                    // Activations may be rounded to bf16 as bf16 weights are.
                    let tolerance = match element {
                        Element::Bf16 => 4e-3,
                        _ => 1e-6 * (inputs as f64).sqrt().max(1.0),
                    };
                    for (x, sums) in x.chunks(inputs).zip(product.chunks(outputs)) {
                        for (row, sum) in weights.chunks(inputs).zip(sums) {
                            let (expected, size) = exact(x, row);
                            let off = (f64::from(*sum) - expected).abs();
                            assert!(
                                off <= tolerance * size,
                                "{element:?} {instructions:?} {rows} × {inputs} × {outputs}: {off}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_is_computed_alike_in_any_company() {
    let (outputs, inputs) = (150, 1100);
    let alone = Team::new(1);
    let team = Team::new(3);
    let x = numbers(64 * inputs, 3);
    for element in ELEMENTS {
        let (bytes, _) = matrix(element, outputs * inputs, 4);
        let packed = Widened::pack(element, &bytes, outputs, inputs).unwrap();
        for &instructions in Instructions::detected() {
            let single: Vec<f32> = x
                .chunks(inputs)
                .flat_map(|row| product(&packed, instructions, &alone, row))
                .collect();
            for rows in [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 17, 25, 64] {
                let together = product(&packed, instructions, &team, &x[..rows * inputs]);
                let same = together.iter().zip(&single);
                assert!(
                    same.clone().all(|(a, b)| a.to_bits() == b.to_bits()),
                    "{element:?} {instructions:?} {rows} rows"
                );
            }
        }
    }
}

#[test]
fn matrices_of_one_input_are_multiplied_as_each_alone() {
    let x = numbers(5 * 64, 5);
    let kinds = [Element::F16, Element::F16, Element::Bf16];
    let matrices: Vec<Widened> = (10..13)
        .zip(kinds)
        .map(|(outputs, kind)| {
            Widened::pack(kind, &matrix(kind, outputs * 64, 6).0, outputs, 64).unwrap()
        })
        .collect();
    for chosen in [&matrices[..2], &matrices[..]] {
        let chosen: Vec<&Widened> = chosen.iter().collect();
        let together = Widened::multiply_all(&chosen, &x);
        let apart: Vec<_> = chosen.iter().map(|matrix| matrix.multiply(&x)).collect();
        assert_eq!(together, apart);
    }
    let none: [f32; 0] = [];
    assert!(matrices[0].multiply(&none).is_empty());
}

#[test]
fn rows_are_read_back_exactly() {
    let (outputs, inputs) = (70, 33);
    for element in ELEMENTS {
        let (bytes, weights) = matrix(element, outputs * inputs, 7);
        let packed = Widened::pack(element, &bytes, outputs, inputs).unwrap();
        assert_eq!((packed.outputs(), packed.inputs()), (outputs, inputs));
        let mut row = vec![0.0; inputs];
        for (index, expected) in weights.chunks(inputs).enumerate() {
            packed.row(index, &mut row);
            assert_eq!(row, expected, "{element:?} row {index}");
        }
    }
}

#[test]
fn bytes_of_another_shape_are_refused() {
    for (length, outputs, inputs) in [
        (15, 2, 2),
        (17, 2, 2),
        (16, usize::MAX, 2),
        (16, 2, usize::MAX),
    ] {
        assert!(Widened::pack(Element::F32, &vec![0; length], outputs, inputs).is_err());
    }
}

#[test]
fn what_is_not_finite_stays_so() {
    for &instructions in Instructions::detected() {
        for element in ELEMENTS {
            let (bytes, _) = matrix(element, 16 * 32, 8);
            let packed = Widened::pack(element, &bytes, 16, 32).unwrap();
            let mut x = numbers(2 * 32, 9);
            x[5] = f32::from_bits(0x7fff_ffff);
            x[32] = f32::INFINITY;
            let product = product(&packed, instructions, &Team::new(1), &x);
            assert!(
                product[..16].iter().all(|value| value.is_nan()),
                "{element:?}"
            );
            assert!(
                product[16..].iter().all(|value| value.is_infinite()),
                "{element:?}"
            );
        }
    }
}
