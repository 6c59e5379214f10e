//! [`Pace`]: what steps lately cost, and what that lets into the next one.

use std::collections::BTreeMap;
use std::time::Duration;

/// The weight of what was known before a measurement.
const MEMORY: f64 = 0.8;
/// The same where an answer's step took longer than known: another program that took the cores for a
/// moment must not make room for prompts.
const MEMORY_OF_LESS: f64 = 0.95;
/// How much longer than a step of answers alone a step may take because of prompts beside them.
/// The promise is twice; the rest is for the noise.
const STRETCH: f64 = 0.7;
/// Where nothing was measured: what an extra row costs, as a part of what a sequence's row costs. Low
/// enough to try, and then it is measured.
const FIRST_ROW_PRICE: f64 = 0.3;
/// Kinds of steps remembered.
const KINDS: usize = 256;

/// What steps lately cost. Durations come in as values.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// Seconds of a step that only wrote answers, by its rows.
    answers: BTreeMap<usize, f64>,
    /// Seconds that a prompt token adds.
    prompt_token: Option<f64>,
}

fn blend(known: &mut f64, measured: f64, memory: f64) {
    *known = *known * memory + measured * (1.0 - memory);
}

impl Pace {
    /// Notes a step that read so many rows of answers and of prompts.
    pub(super) fn note(&mut self, answer_rows: usize, prompt_rows: usize, took: Duration) {
        let seconds = took.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        if prompt_rows == 0 {
            if answer_rows < KINDS {
                let known = self.answers.entry(answer_rows).or_insert(seconds);
                let memory = match seconds > *known {
                    true => MEMORY_OF_LESS,
                    false => MEMORY,
                };
                blend(known, seconds, memory);
            }
            return;
        }
        let alone = match answer_rows {
            0 => Some(0.0),
            rows => self.of_answers(rows),
        };
        let Some(alone) = alone else { return };
        let each = (seconds - alone).max(0.0) / prompt_rows as f64;
        match &mut self.prompt_token {
            // A step of prompts alone says least about what one costs beside answers.
            Some(_) if answer_rows == 0 => {}
            Some(known) => blend(known, each, MEMORY),
            None => self.prompt_token = Some(each),
        }
    }

    /// Seconds of a step of so many rows of answers; of the next smaller known step, if this one
    /// never was.
    fn of_answers(&self, rows: usize) -> Option<f64> {
        let (_, seconds) = self.answers.range(..=rows).next_back()?;
        Some(*seconds)
    }

    /// How many prompt tokens a step with so many rows of answers may read, so that it takes no
    /// more than twice as long as without; `start` while nothing is known. 0 holds no prompt up:
    /// each reads one token in every step anyway.
    pub(super) fn prompt_tokens_beside(&self, answer_rows: usize, start: usize) -> usize {
        match (self.of_answers(answer_rows), self.prompt_token) {
            (Some(alone), Some(each)) if each > 0.0 => (alone * STRETCH / each) as usize,
            (Some(_), Some(_)) => usize::MAX,
            _ => start,
        }
    }

    /// What one more row of answers costs, as a part of a step of `rows`.
    pub(super) fn row_price(&self, rows: usize) -> f64 {
        let here = self.answers.range(..=rows).next_back();
        let beyond = self.answers.range(rows + 1..).next();
        let (Some((few, alone)), Some((many, more))) = (here, beyond) else {
            return FIRST_ROW_PRICE / rows.max(1) as f64;
        };
        ((more - alone) / (many - few) as f64 / alone).clamp(0.01, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine on which a step takes `fixed`, each row of an answer 1 ms and each prompt token
    /// 2 ms.
    fn took(answers: usize, prompts: usize) -> Duration {
        Duration::from_millis((40 + answers + 2 * prompts) as u64)
    }

    #[test]
    fn prompts_fill_the_time_that_answers_can_spare() {
        let mut pace = Pace::default();
        assert_eq!(pace.prompt_tokens_beside(2, 64), 64);
        pace.note(0, 512, took(0, 512));
        for _ in 0..40 {
            pace.note(2, 0, took(2, 0));
            let tokens = pace.prompt_tokens_beside(2, 64);
            pace.note(2, tokens, took(2, tokens));
        }
        let tokens = pace.prompt_tokens_beside(2, 64);
        assert!(took(2, tokens) <= 2 * took(2, 0), "{tokens}");
        assert!(
            took(2, tokens + 8) > 2 * took(2, 0).mul_f64(STRETCH),
            "{tokens}"
        );
    }

    #[test]
    fn where_prompts_cost_much_answers_go_first() {
        let mut pace = Pace::default();
        pace.note(1, 0, Duration::from_millis(10));
        pace.note(1, 64, Duration::from_secs(1));
        assert_eq!(pace.prompt_tokens_beside(1, 64), 0);
        for _ in 0..20 {
            pace.note(1, 0, Duration::from_millis(100));
        }
        assert!(pace.prompt_tokens_beside(1, 64) > 1);
    }

    #[test]
    fn the_price_of_a_row_is_what_was_measured() {
        let mut pace = Pace::default();
        assert_eq!(pace.row_price(1), FIRST_ROW_PRICE);
        pace.note(1, 0, Duration::from_millis(100));
        pace.note(5, 0, Duration::from_millis(140));
        assert!((pace.row_price(1) - 0.1).abs() < 1e-9);
    }

    #[test]
    fn a_clock_that_stands_says_nothing() {
        let mut pace = Pace::default();
        pace.note(1, 0, Duration::ZERO);
        pace.note(1, 64, Duration::ZERO);
        assert_eq!(pace.prompt_tokens_beside(1, 7), 7);
    }
}
