//! Guessing what an answer will say next: [`Speculator`].
//!
//! Prompt lookup (Saxena, "Prompt Lookup Decoding", 2023): answers often repeat their prompt or
//! themselves, and what followed the same few tokens before may follow again. A client that knows
//! most of the answer says so with OpenAI's `prediction`. A guess costs a row in the next step and
//! never changes the answer: the sampler, with the same random numbers as without guesses, chooses
//! from the row of every token, and a guess only counts where it chose that very token.
//!
//! Pure: tokens, and the price of a row, come in as values.

mod lookup;

pub(crate) use lookup::Lookup;
use std::sync::Arc;

/// Guesses verified at once, at most.
const LONGEST: usize = 15;
/// The weight of what was known before a token.
const MEMORY: f64 = 0.9;

/// What the guesses of a request's answers are taken from.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    /// The prompt.
    pub(super) prompt: Arc<Lookup>,
    /// What the client expects.
    pub(super) prediction: Option<Arc<Lookup>>,
}

impl Sources {
    pub(super) fn new(prompt: &[u32], prediction: Option<&[u32]>) -> Self {
        Self {
            prompt: Arc::new(Lookup::new(prompt)),
            prediction: prediction.map(|tokens| Arc::new(Lookup::new(tokens))),
        }
    }
}

/// How often guesses of one kind came true lately. Counted whether a guess was verified or only
/// compared with what the answer said anyway, so that a kind that does not pay is found again when
/// it would.
#[derive(Clone, Copy, Debug)]
struct Hits(f64);

impl Hits {
    fn note(&mut self, is_hit: bool) {
        self.0 = self.0 * MEMORY + f64::from(u8::from(is_hit)) * (1.0 - MEMORY);
    }

    /// How many guesses in a row are each likelier than `threshold` to be reached and true.
    fn worth(self, threshold: f64) -> usize {
        let mut likelihood = self.0;
        let mut count = 0;
        while count < LONGEST && likelihood > threshold {
            likelihood *= self.0;
            count += 1;
        }
        count
    }
}

/// Where a guess came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Prediction,
    Text,
}

/// Guesses what one answer will say next.
#[derive(Clone, Debug)]
pub(super) struct Speculator {
    sources: Sources,
    answer: Lookup,
    /// Where in the prediction the answer is, if it follows it.
    place: Option<usize>,
    predicted: Hits,
    repeated: Hits,
    /// The guesses that have not been compared yet, the next one last.
    open: Vec<u32>,
    kind: Kind,
    /// How many of the open ones have a row in the step that runs.
    under_way: usize,
    /// Of the client's prediction.
    verified: u32,
    accepted: u32,
}

impl Speculator {
    pub(super) fn new(sources: Sources) -> Self {
        Self {
            answer: Lookup::new(sources.prompt.tail()),
            place: sources.prediction.as_ref().map(|_| 0),
            sources,
            predicted: Hits(0.8),
            repeated: Hits(0.5),
            open: Vec::new(),
            kind: Kind::Text,
            under_way: 0,
            verified: 0,
            accepted: 0,
        }
    }

    /// The guesses that are worth a row each, where a guess must be likelier than `threshold`; at
    /// most `most`.
    pub(super) fn draft(&mut self, threshold: f64, most: usize) -> Vec<u32> {
        let (kind, next) = self.guess();
        let next = next.get(..next.len().min(LONGEST)).unwrap_or_default();
        let hits = match kind {
            Kind::Prediction => self.predicted,
            Kind::Text => self.repeated,
        };
        let worth = hits.worth(threshold).min(most).min(next.len());
        let draft = next.get(..worth).unwrap_or_default().to_vec();
        self.open = next.iter().rev().copied().collect();
        self.kind = kind;
        draft
    }

    /// What may follow, by the source that has proved best where it has anything to say.
    fn guess(&self) -> (Kind, &[u32]) {
        let last = self.answer.last();
        if let Some(prediction) = &self.sources.prediction {
            let place = self.place.or_else(|| prediction.find(last?));
            if let Some(place) = place {
                return (Kind::Prediction, prediction.from(place));
            }
        }
        let texts = [&self.answer, &*self.sources.prompt];
        let found = last.and_then(|last| {
            texts
                .into_iter()
                .find_map(|text| Some(text.from(text.find(last)?)))
        });
        (Kind::Text, found.unwrap_or_default())
    }

    /// Notes the token that the answer has next.
    pub(super) fn note(&mut self, token: u32) {
        if let Some(guess) = self.open.pop() {
            let is_hit = guess == token;
            match self.kind {
                Kind::Prediction => self.predicted.note(is_hit),
                Kind::Text => self.repeated.note(is_hit),
            }
            if is_hit && self.under_way > 0 {
                self.under_way -= 1;
                self.accepted += u32::from(self.kind == Kind::Prediction);
            }
            if !is_hit {
                self.open.clear();
            }
        }
        if let Some(prediction) = &self.sources.prediction {
            let place = self.place.or_else(|| prediction.find(self.answer.last()?));
            self.place = place
                .filter(|&place| prediction.from(place).first() == Some(&token))
                .map(|place| place + 1);
        }
        self.answer.push(token);
    }

    /// Notes that so many guesses of the last draft have a row in the step whose tokens follow.
    pub(super) fn verify(&mut self, guesses: usize) {
        self.under_way = guesses;
        if self.kind == Kind::Prediction {
            self.verified += guesses as u32;
        }
    }

    /// Verified tokens of the client's prediction: those that came true, and those that did not.
    pub(super) fn of_prediction(&self) -> (u32, u32) {
        (self.accepted, self.verified - self.accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speculator(prompt: &[u32], prediction: Option<&[u32]>) -> Speculator {
        Speculator::new(Sources::new(prompt, prediction))
    }

    #[test]
    fn an_answer_that_repeats_its_prompt_is_guessed_from_it() {
        let mut speculator = speculator(&[1, 2, 3, 4, 5, 6, 7, 8, 9], None);
        assert!(speculator.draft(0.1, 9).is_empty());
        for token in [2, 3, 4] {
            speculator.note(token);
        }
        // One in two is likely, one in four and one in eight too.
        assert_eq!(speculator.draft(0.1, 9), [5, 6, 7]);
        assert_eq!(speculator.draft(0.1, 1), [5]);
        assert!(speculator.draft(0.6, 9).is_empty());
    }

    #[test]
    fn guesses_that_fail_end_and_those_that_would_come_true_begin_again() {
        let text: Vec<u32> = (0..200).collect();
        let mut speculator = speculator(&text, None);
        for round in 0..40 {
            for token in [round, round + 1, round + 2, 999] {
                speculator.draft(0.3, 9);
                speculator.note(token);
            }
        }
        for token in [50, 51, 52] {
            speculator.note(token);
        }
        assert!(speculator.draft(0.3, 9).is_empty());
        for token in 53..80 {
            speculator.draft(0.3, 9);
            speculator.note(token);
        }
        assert!(speculator.draft(0.3, 9).len() > 3);
    }

    #[test]
    fn a_prediction_is_followed_from_the_start_and_found_again_after_a_change() {
        let prediction: Vec<u32> = (100..140).collect();
        let mut speculator = speculator(&[1, 2, 3], Some(&prediction));
        let draft = speculator.draft(0.3, 4);
        assert_eq!(draft, [100, 101, 102, 103]);
        speculator.verify(4);
        for token in [100, 101, 7] {
            speculator.note(token);
        }
        assert_eq!(speculator.of_prediction(), (2, 2));
        assert!(speculator.draft(0.3, 9).is_empty());
        for token in [103, 104, 105] {
            speculator.note(token);
        }
        assert_eq!(speculator.draft(0.3, 2), [106, 107]);
    }
}
