//! [`RowLogprob`]: probabilities under the model's unmodified distribution.

use super::row;

/// What a row of logits says of its likeliest tokens, before any setting changes it.
#[derive(Clone, Debug, PartialEq)]
pub struct RowLogprob {
    /// The largest logit.
    maximum: f32,
    /// Natural logarithm of the sum of `e^(logit − maximum)`.
    log_mass: f64,
    /// The likeliest tokens with their log-probabilities, likeliest first, lowest id among equals.
    pub top: Vec<(u32, f32)>,
}

impl RowLogprob {
    /// Reads a row; `None` if nothing in it is possible.
    #[must_use]
    pub fn read(logits: &[f32], top: usize) -> Option<Self> {
        let (_, maximum) = row::first_maximum(logits)?;
        // An infinite logit has all the probability; the others are infinitely far from it.
        let log_mass = match maximum.is_finite() {
            true => row::mass(logits, maximum, 1.0).ln(),
            false => 0.0,
        };
        let mut read = Self {
            maximum,
            log_mass,
            top: Vec::new(),
        };
        read.top = largest(logits, top)
            .into_iter()
            .map(|(id, logit)| (id, read.of(logit)))
            .collect();
        Some(read)
    }

    /// The log-probability of a token with this logit.
    #[must_use]
    pub fn of(&self, logit: f32) -> f32 {
        if self.maximum.is_infinite() {
            return if logit == self.maximum { 0.0 } else { f32::MIN };
        }
        if logit.is_nan() {
            return f32::MIN;
        }
        // Never minus infinity: JSON has no number for it.
        let exact = f64::from(logit) - f64::from(self.maximum) - self.log_mass;
        (exact as f32).max(f32::MIN)
    }
}

/// The `count` largest values with their places, largest first, first place among equals.
fn largest(values: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut found: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    if count == 0 {
        return found;
    }
    let mut least = f32::NEG_INFINITY;
    for (chunk, part) in values.chunks(row::CHUNK).enumerate() {
        if row::maximum(part) <= least {
            continue;
        }
        for (place, &value) in part.iter().enumerate() {
            if value > least {
                let index = found.partition_point(|&(_, other)| other >= value);
                found.insert(index, ((chunk * row::CHUNK + place) as u32, value));
                found.truncate(count);
                if let (true, Some(&(_, last))) = (found.len() == count, found.last()) {
                    least = last;
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn certainty_and_impossibility_stay_numbers() {
        let read = RowLogprob::read(&[f32::INFINITY, 1.0, f32::NAN], 3).unwrap();
        assert_eq!(read.top[0], (0, 0.0));
        assert!(read.top.iter().all(|(_, logprob)| logprob.is_finite()));
        assert_eq!(RowLogprob::read(&[f32::NAN; 4], 1), None);
    }

    proptest! {
        #[test]
        fn logprobs_are_those_of_a_log_softmax_in_f64(
            row in prop::collection::vec(-30f32..30.0, 1..3000),
            top in 0usize..21,
        ) {
            let read = RowLogprob::read(&row, top).unwrap();
            let sum: f64 = row.iter().map(|&value| f64::from(value).exp()).sum();
            for &value in &row {
                let exact = f64::from(value) - sum.ln();
                prop_assert!((f64::from(read.of(value)) - exact).abs() < 1e-4);
            }
            let mut sorted: Vec<_> = row.iter().copied().enumerate().collect();
            sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let expected: Vec<_> = sorted.iter().take(top).map(|&(id, _)| id as u32).collect();
            let found: Vec<_> = read.top.iter().map(|&(id, _)| id).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
