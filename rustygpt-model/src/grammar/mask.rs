//! [`Mask`]: which tokens may be chosen.

use llguidance::toktrie::SimpleVob;

const BITS: usize = u32::BITS as usize;

/// Which tokens may be chosen: one bit per id, those beyond the last word may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    words: Vec<u32>,
}

impl Mask {
    pub(super) fn new(set: &SimpleVob) -> Self {
        Self {
            words: set.as_slice().to_vec(),
        }
    }

    /// A mask that allows these tokens only.
    #[must_use]
    pub fn of(tokens: &[u32]) -> Self {
        let mut mask = Self { words: Vec::new() };
        for &token in tokens {
            mask.allow(token);
        }
        mask
    }

    /// Whether the token may be chosen.
    #[must_use]
    pub fn allows(&self, token: u32) -> bool {
        let token = token as usize;
        self.words
            .get(token / BITS)
            .is_some_and(|word| word >> (token % BITS) & 1 == 1)
    }

    /// Whether no token may be chosen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Whether a token beside these may be chosen.
    #[must_use]
    pub fn allows_other_than(&self, tokens: &[u32]) -> bool {
        let mut rest = self.clone();
        for &token in tokens {
            rest.forbid(token);
        }
        !rest.is_empty()
    }

    pub(super) fn allow(&mut self, token: u32) {
        let token = token as usize;
        if self.words.len() <= token / BITS {
            self.words.resize(token / BITS + 1, 0);
        }
        if let Some(word) = self.words.get_mut(token / BITS) {
            *word |= 1 << (token % BITS);
        }
    }

    pub(super) fn forbid(&mut self, token: u32) {
        let token = token as usize;
        if let Some(word) = self.words.get_mut(token / BITS) {
            *word &= !(1 << (token % BITS));
        }
    }

    /// Makes the logits of forbidden tokens minus infinity.
    pub fn apply(&self, row: &mut [f32]) {
        let known = row.len().min(self.words.len() * BITS);
        let (known, rest) = row.split_at_mut(known);
        for (values, &word) in known.chunks_mut(BITS).zip(&self.words) {
            match word {
                u32::MAX => {}
                0 => values.fill(f32::NEG_INFINITY),
                _ => {
                    for (bit, value) in values.iter_mut().enumerate() {
                        if word >> bit & 1 == 0 {
                            *value = f32::NEG_INFINITY;
                        }
                    }
                }
            }
        }
        rest.fill(f32::NEG_INFINITY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_tokens_keep_their_logits_whatever_the_length_of_the_row() {
        for length in [1, 31, 32, 33, 64, 100] {
            let mask = Mask::of(&[0, 32, 40]);
            let mut row = vec![1.0; length];
            mask.apply(&mut row);
            for (token, value) in row.iter().enumerate() {
                assert_eq!(*value == 1.0, [0, 32, 40].contains(&token), "{token}");
                assert_eq!(mask.allows(token as u32), *value == 1.0);
            }
        }
    }
}
