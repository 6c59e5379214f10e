//! Grammars: which tokens may come next so that an answer gets the shape that was asked for.
//!
//! - [`Schema`]: a JSON Schema that was checked, keyword by keyword;
//! - [`Grammars`]: compiles schemas and grammars over one tokenizer, within bounds;
//! - [`Matcher`]: where one answer is in its grammar, and the [`Mask`] of tokens that may follow;
//! - [`Masker`]: computes masks on a thread of its own while the model computes logits.
//!
//! The parsing is llguidance's (Earley over derivatives of regular expressions; Moskal et al.,
//! 2025); nothing outside this room speaks of it. Control tokens are never part of a value: a
//! grammar that wants one names it, see [`Grammars::literal`].

mod compile;
mod mask;
mod masker;
mod matcher;
mod schema;
mod vocabulary;

pub(crate) use compile::COMPILED_AT_ONCE;
pub use compile::{CompileLimits, Compiled, GrammarError, Grammars};
pub use mask::Mask;
pub use masker::{Masked, Masker};
pub use matcher::{Matcher, Progress};
pub use schema::{Schema, SchemaProblem};

#[cfg(test)]
mod tests;
