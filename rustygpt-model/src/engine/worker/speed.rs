//! [`Speed`]: how fast the engine lately was.

use std::time::Duration;

/// The weight of what came before, per step.
const STEP_MEMORY: f64 = 0.95;
/// The weight of what came before, per choice.
const CHOICE_MEMORY: f64 = 0.8;

/// How fast the engine lately was: fading sums.
#[derive(Clone, Debug, Default)]
pub(super) struct Speed {
    tokens: f64,
    seconds: f64,
    seconds_per_choice: Option<f64>,
}

impl Speed {
    /// Notes a step that wrote so many tokens.
    pub(super) fn note(&mut self, tokens: u32, took: Duration) {
        self.tokens = self.tokens * STEP_MEMORY + f64::from(tokens);
        self.seconds = self.seconds * STEP_MEMORY + took.as_secs_f64();
    }

    /// Notes how long a choice ran.
    pub(super) fn note_choice(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.seconds_per_choice = Some(match self.seconds_per_choice {
            Some(before) => before * CHOICE_MEMORY + took * (1.0 - CHOICE_MEMORY),
            None => took,
        });
    }

    pub(super) fn tokens_per_second(&self) -> f64 {
        match self.seconds > 0.0 {
            true => self.tokens / self.seconds,
            false => 0.0,
        }
    }

    pub(super) fn seconds_per_choice(&self) -> f64 {
        self.seconds_per_choice.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_speed_is_reported_as_it_is_and_a_change_is_followed() {
        let mut speed = Speed::default();
        for _ in 0..500 {
            speed.note(8, Duration::from_millis(100));
        }
        assert!((speed.tokens_per_second() - 80.0).abs() < 1e-6);
        for _ in 0..500 {
            speed.note(1, Duration::from_millis(100));
        }
        assert!((speed.tokens_per_second() - 10.0).abs() < 1e-3);
    }
}
