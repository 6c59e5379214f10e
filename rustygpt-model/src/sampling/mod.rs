//! How the next token is chosen from a row of logits. Pure: the random stream is a value.
//!
//! The order, and why:
//!
//! 1. log-probabilities are read first: they describe the model, not the settings;
//! 2. repetition penalty, then frequency and presence penalties, then `logit_bias`: the penalties
//!    speak of the model's own logits, and a bias is the caller's last word on a token;
//! 3. ending tokens are forbidden while `min_tokens` is not reached, and so is what a grammar does
//!    not allow: no bias brings them back;
//! 4. temperature 0 takes the likeliest token, the lowest id among equals;
//! 5. temperature, before the filters: `top_p` then means the mass of the distribution that is
//!    really drawn from, as the OpenAI API, vLLM and transformers have it;
//! 6. `top_k`, `typical_p`, `top_p`, `min_p`, each on what the one before it left, renormalised:
//!    the crudest cut first, so that the ones that sum probabilities see few tokens;
//! 7. one draw.
//!
//! Every step is linear in the vocabulary: sets are cut by selection, never by sorting all.
//! Logits that are not numbers count as impossible; a row with nothing possible is an error.

mod draw;
mod filter;
mod logprob;
mod penalty;
mod row;
mod sampler;
mod settings;

pub use logprob::RowLogprob;
pub use sampler::{Chosen, NothingPossible, Sampler, SamplerSetup, Workspace};
pub use settings::Settings;
