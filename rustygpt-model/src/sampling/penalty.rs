//! Penalties for tokens already seen.

use super::Settings;
use std::collections::{BTreeMap, BTreeSet};

/// What was seen so far, as far as the settings need it.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Tokens of prompt and answer.
    seen: BTreeSet<u32>,
    /// Tokens of the answer and how often they occurred.
    written: BTreeMap<u32, u32>,
}

impl History {
    pub(super) fn new(settings: &Settings, prompt: &[u32]) -> Self {
        let seen = match settings.repetition_penalty == 1.0 {
            true => BTreeSet::new(),
            false => prompt.iter().copied().collect(),
        };
        Self {
            seen,
            written: BTreeMap::new(),
        }
    }

    pub(super) fn note(&mut self, settings: &Settings, token: u32) {
        if settings.repetition_penalty != 1.0 {
            self.seen.insert(token);
        }
        if settings.frequency_penalty != 0.0 || settings.presence_penalty != 0.0 {
            *self.written.entry(token).or_default() += 1;
        }
    }

    /// Changes the logits of seen and biased tokens and of the forbidden ones; tells `changing` of
    /// each (id, value before) first. Ids beyond the row are ignored.
    pub(super) fn apply(
        &self,
        settings: &Settings,
        forbidden: &[u32],
        row: &mut [f32],
        mut changing: impl FnMut(u32, f32),
    ) {
        let mut change = |token: u32, new: &dyn Fn(f32) -> f32| {
            if let Some(value) = row.get_mut(token as usize) {
                changing(token, *value);
                *value = new(*value);
            }
        };
        let penalty = settings.repetition_penalty;
        for &token in &self.seen {
            change(token, &|value| {
                if value > 0.0 {
                    value / penalty
                } else {
                    value * penalty
                }
            });
        }
        for (&token, &count) in &self.written {
            let subtracted = settings.frequency_penalty * count as f32 + settings.presence_penalty;
            change(token, &|value| value - subtracted);
        }
        for &(token, bias) in &settings.logit_bias {
            change(token, &|value| value + bias);
        }
        for &token in forbidden {
            change(token, &|_| f32::NEG_INFINITY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(settings: &Settings, prompt: &[u32], written: &[u32], row: &[f32]) -> Vec<f32> {
        let mut history = History::new(settings, prompt);
        for &token in written {
            history.note(settings, token);
        }
        let mut row = row.to_vec();
        history.apply(settings, &[], &mut row, |_, _| {});
        row
    }

    #[test]
    fn the_repetition_penalty_pulls_prompt_and_answer_down_on_both_sides_of_zero() {
        let settings = Settings {
            repetition_penalty: 2.0,
            ..Settings::default()
        };
        let row = applied(&settings, &[0, 0], &[1], &[4.0, -4.0, 4.0]);
        assert_eq!(row, [2.0, -8.0, 4.0]);
    }

    #[test]
    fn frequency_counts_and_presence_does_not_and_the_prompt_is_free() {
        let settings = Settings {
            frequency_penalty: 0.5,
            presence_penalty: 1.0,
            ..Settings::default()
        };
        let row = applied(&settings, &[2], &[0, 0, 1], &[0.0, 0.0, 0.0]);
        assert_eq!(row, [-2.0, -1.5, 0.0]);
    }

    #[test]
    fn a_bias_beyond_the_vocabulary_changes_nothing() {
        let settings = Settings {
            logit_bias: vec![(1, 3.0), (99, 5.0)],
            ..Settings::default()
        };
        assert_eq!(applied(&settings, &[], &[], &[0.0, 0.0]), [0.0, 3.0]);
    }
}
