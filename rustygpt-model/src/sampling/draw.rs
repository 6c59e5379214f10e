//! One draw from a set of weights.

use super::filter::Candidate;
use super::row::{CHUNK, chunk_mass, exp_nonpositive};
use rand_core::RngCore;

/// A number in `0.0..1.0` with 53 random bits.
fn unit(random: &mut impl RngCore) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Draws from the whole row at `scale`, without making a set of candidates.
pub(super) fn from_row(
    row: &[f32],
    maximum: f32,
    scale: f32,
    random: &mut impl RngCore,
) -> Option<u32> {
    let masses: Vec<f64> = row
        .chunks(CHUNK)
        .map(|values| chunk_mass(values, maximum, scale))
        .collect();
    let mut left = unit(random) * masses.iter().sum::<f64>();
    let mut last = None;
    for ((chunk, values), mass) in row.chunks(CHUNK).enumerate().zip(masses) {
        if left < mass {
            return within(chunk, values, maximum, scale, left);
        }
        // Rounding may leave a crumb at the end; then the last possible token is taken, which is
        // in the last chunk that has any mass.
        if mass > 0.0 {
            last = Some((chunk, values));
        }
        left -= mass;
    }
    last.and_then(|(chunk, values)| within(chunk, values, maximum, scale, f64::INFINITY))
}

fn within(chunk: usize, values: &[f32], maximum: f32, scale: f32, mut left: f64) -> Option<u32> {
    let mut last = None;
    for (place, &value) in values.iter().enumerate() {
        let weight = f64::from(exp_nonpositive((value - maximum) * scale));
        if weight > 0.0 {
            last = Some((chunk * CHUNK + place) as u32);
            if left < weight {
                return last;
            }
            left -= weight;
        }
    }
    last
}

/// Draws from a set of candidates.
pub(super) fn from_candidates(candidates: &[Candidate], random: &mut impl RngCore) -> Option<u32> {
    let total: f64 = candidates
        .iter()
        .map(|candidate| f64::from(candidate.weight))
        .sum();
    let mut left = unit(random) * total;
    for candidate in candidates {
        let weight = f64::from(candidate.weight);
        if left < weight {
            return Some(candidate.id);
        }
        left -= weight;
    }
    candidates.last().map(|candidate| candidate.id)
}
