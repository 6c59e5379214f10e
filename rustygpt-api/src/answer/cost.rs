//! [`Cost`]: what all choices of an answer cost together.

use rustygpt_model::contract::Usage;

/// What all choices of an answer cost together, in tokens. A prompt is counted once, however many
/// choices it has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cost {
    choices_per_prompt: u32,
    /// Tokens of the prompts.
    pub(crate) prompt: u64,
    /// Of each prompt the tokens found in the cache: the least of its choices', because a later
    /// choice finds what the first one read.
    cached: Vec<Option<u64>>,
    /// Tokens written.
    pub(crate) completion: u64,
    /// Of those, tokens of reasoning.
    pub(crate) reasoning: u64,
    pub(crate) accepted_prediction: u64,
    pub(crate) rejected_prediction: u64,
}

impl Cost {
    /// Prompts of so many tokens each, no answer yet.
    pub(crate) fn of_prompts(tokens: &[u32], choices_per_prompt: u32) -> Self {
        Self {
            choices_per_prompt: choices_per_prompt.max(1),
            prompt: tokens.iter().map(|&tokens| u64::from(tokens)).sum(),
            cached: vec![None; tokens.len()],
            ..Self::default()
        }
    }

    /// Adds what one choice cost. Choices of one prompt are numbered one after the other.
    pub(crate) fn add(&mut self, choice: u32, usage: Usage) {
        let cached = u64::from(usage.cached_tokens);
        let prompt = (choice / self.choices_per_prompt.max(1)) as usize;
        if let Some(least) = self.cached.get_mut(prompt) {
            *least = Some(least.map_or(cached, |least| least.min(cached)));
        }
        self.accepted_prediction += u64::from(usage.accepted_prediction_tokens);
        self.rejected_prediction += u64::from(usage.rejected_prediction_tokens);
        self.completion += u64::from(usage.completion_tokens);
        self.reasoning += u64::from(usage.reasoning_tokens);
    }

    /// Tokens of the prompts that were found in the cache.
    pub(crate) fn cached(&self) -> u64 {
        self.cached.iter().flatten().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_counts_once_a_prompt() {
        let mut cost = Cost::of_prompts(&[10, 20], 2);
        for (choice, cached_tokens) in [(0, 0), (1, 8), (2, 16), (3, 19)] {
            let usage = Usage {
                cached_tokens,
                completion_tokens: 1,
                ..Usage::default()
            };
            cost.add(choice, usage);
        }
        assert_eq!((cost.prompt, cost.cached(), cost.completion), (30, 16, 4));
    }
}
