//! [`Lookup`]: what followed the same few tokens before.

use std::collections::HashMap;

/// Tokens that must agree before what followed them is guessed again.
const AGREEING: usize = 3;

/// A text, and where in it every run of [`AGREEING`] tokens was last followed by something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookup {
    tokens: Vec<u32>,
    followed: HashMap<[u32; AGREEING], usize>,
}

impl Lookup {
    /// Reads a text.
    pub(crate) fn new(tokens: &[u32]) -> Self {
        let mut lookup = Self {
            tokens: Vec::with_capacity(tokens.len()),
            followed: HashMap::with_capacity(tokens.len()),
        };
        for &token in tokens {
            lookup.push(token);
        }
        lookup
    }

    /// The text goes on.
    pub(super) fn push(&mut self, token: u32) {
        if let Some(&before) = self.tokens.last_chunk() {
            self.followed.insert(before, self.tokens.len());
        }
        self.tokens.push(token);
    }

    /// The end of the text.
    pub(super) fn last(&self) -> Option<&[u32; AGREEING]> {
        self.tokens.last_chunk()
    }

    /// Where the text goes on behind the latest place where it had these tokens.
    pub(super) fn find(&self, tokens: &[u32; AGREEING]) -> Option<usize> {
        self.followed.get(tokens).copied()
    }

    /// The text from a place on; empty beyond its end.
    pub(super) fn from(&self, place: usize) -> &[u32] {
        self.tokens.get(place..).unwrap_or_default()
    }

    /// The last tokens, with which another text goes on.
    pub(super) fn tail(&self) -> &[u32] {
        self.from(self.tokens.len().saturating_sub(AGREEING))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_place_counts_and_the_end_itself_is_none() {
        let mut text = Lookup::new(&[1, 2, 3, 4, 1, 2, 3, 5]);
        assert_eq!(text.find(&[1, 2, 3]), Some(7));
        assert_eq!(text.from(7), [5]);
        assert_eq!(text.find(&[2, 3, 5]), None);
        for token in [1, 2, 3] {
            text.push(token);
        }
        assert_eq!(text.last().and_then(|last| text.find(last)), Some(7));
        assert_eq!(text.tail(), [1, 2, 3]);
        assert!(text.from(99).is_empty());
    }
}
