//! Passes over a whole row of logits, written so that the compiler turns them into vector code.

/// Values looked at together; small enough to stay in the first-level cache for a second look. A
/// multiple of [`LANES`].
pub(super) const CHUNK: usize = 1024;
const LANES: usize = 8;

/// The largest value; negative infinity if there is none. What is no number counts as absent.
pub(super) fn maximum(values: &[f32]) -> f32 {
    let larger = |best: f32, value: f32| if value > best { value } else { best };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (groups, rest) = values.as_chunks::<LANES>();
    for group in groups {
        for (lane, &value) in lanes.iter_mut().zip(group) {
            *lane = larger(*lane, value);
        }
    }
    rest.iter()
        .chain(&lanes)
        .copied()
        .fold(f32::NEG_INFINITY, larger)
}

/// The place of the largest value, the first among equals, and the value; `None` if every value is
/// negative infinity or no number.
pub(super) fn first_maximum(row: &[f32]) -> Option<(usize, f32)> {
    let mut best = (0, f32::NEG_INFINITY);
    for (chunk, values) in row.chunks(CHUNK).enumerate() {
        let value = maximum(values);
        if value > best.1 {
            let place = values.iter().position(|&other| other == value)?;
            best = (chunk * CHUNK + place, value);
        }
    }
    (best.1 > f32::NEG_INFINITY).then_some(best)
}

/// `e^x` for `x ≤ 0`, relative error below 3e-7; 0 below −87 and for what is no number.
///
/// Argument reduction by the two-part logarithm of 2 and the polynomial of Cephes' `expf`
/// (Moshier, 1989). The standard library's `exp` is a call per value and cannot be vectorised.
#[expect(
    clippy::excessive_precision,
    reason = "the constants as their source prints them"
)]
pub(super) fn exp_nonpositive(x: f32) -> f32 {
    // Adding 1.5·2^23 rounds to an integer and leaves it in the low bits.
    const ROUNDER: f32 = 12_582_912.0;
    let clamped = if x > -87.0 { x } else { -87.0 };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUNDER;
    let power = shifted - ROUNDER;
    let r = clamped - power * 0.693_359_375 + power * 2.121_944_400_5e-4;
    let mut polynomial = 1.987_569_150_0e-4;
    polynomial = polynomial * r + 1.398_199_950_7e-3;
    polynomial = polynomial * r + 8.333_451_907_3e-3;
    polynomial = polynomial * r + 4.166_579_589_4e-2;
    polynomial = polynomial * r + 1.666_666_545_9e-1;
    polynomial = polynomial * r + 5.000_000_120_1e-1;
    let value = polynomial * r * r + r + 1.0;
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUNDER.to_bits())
        .wrapping_add(127)
        << 23;
    if x >= -87.0 {
        value * f32::from_bits(exponent)
    } else {
        0.0
    }
}

/// The sum of `e^((value − maximum) · scale)` over at most [`CHUNK`] values, none of which is
/// larger than `maximum`.
pub(super) fn chunk_mass(values: &[f32], maximum: f32, scale: f32) -> f64 {
    // By way of a buffer: the compiler makes vector code of the exponentials only when they are
    // not summed at once (measured: 3.6 times as fast).
    let mut weights = [0.0; CHUNK];
    for (weight, &value) in weights.iter_mut().zip(values) {
        *weight = exp_nonpositive((value - maximum) * scale);
    }
    let mut lanes = [0.0; LANES];
    for group in weights.as_chunks::<LANES>().0 {
        for (lane, weight) in lanes.iter_mut().zip(group) {
            *lane += weight;
        }
    }
    lanes.into_iter().map(f64::from).sum()
}

/// The sum of `e^((value − maximum) · scale)` over the row.
pub(super) fn mass(row: &[f32], maximum: f32, scale: f32) -> f64 {
    row.chunks(CHUNK)
        .map(|values| chunk_mass(values, maximum, scale))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_close_to_the_exact_one() {
        for step in 0..870_000_u32 {
            let x = -(step as f32) * 1e-4;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp_nonpositive(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "e^{x}: relative error {error}");
        }
        assert_eq!(exp_nonpositive(0.0), 1.0);
        assert_eq!(exp_nonpositive(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp_nonpositive(f32::NAN), 0.0);
    }

    #[test]
    fn the_first_of_equal_maxima_is_found_in_every_place() {
        for length in [2, 7, 8, 9, 1023, 1024, 1025, 3000] {
            for place in [1, length / 2, length - 1] {
                let mut row = vec![-1.0; length];
                row[0] = f32::NAN;
                row[place] = 2.5;
                row[length - 1] = 2.5;
                assert_eq!(
                    first_maximum(&row),
                    Some((place, 2.5)),
                    "{place} of {length}"
                );
            }
        }
        assert_eq!(first_maximum(&[f32::NAN, f32::NEG_INFINITY]), None);
        assert_eq!(first_maximum(&[]), None);
    }
}
