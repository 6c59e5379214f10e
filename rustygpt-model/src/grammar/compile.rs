//! [`Grammars`]: schemas and grammars compiled over one tokenizer.

use super::matcher::first_line;
use super::vocabulary::token_environment;
use super::{Matcher, Schema};
use crate::tokenizer::Tokenizer;
use llguidance::ParserFactory;
use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::InferenceCapabilities;
use serde_json::{Value, json};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// White space that a model may put between the parts of a document. Bounded: a model that only
/// wants to write spaces is made to go on.
const WHITE_SPACE: &str = r"[\x20\x0A\x0D\x09]{1,40}";

/// Grammars kept; a conversation sends the same tools with every turn.
const KEPT: usize = 16;
/// Grammars compiled at once. One that nobody waits for any more keeps its place until the other
/// bounds end it, so that hostile grammars cannot take more of the machine than this.
pub(crate) const COMPILED_AT_ONCE: usize = 4;
/// Stack of a thread that compiles: schemas are read by recursion.
const STACK_BYTES: usize = 8 << 20;

/// What compiling may cost. Work is counted first, so that the same grammar is nearly always
/// either taken or refused; the time is the last resort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Work on the regular expressions of a grammar; some 50,000 in a millisecond.
    pub expression_work: u64,
    /// Symbols in a grammar's rules.
    pub symbols: usize,
    /// States of the lexer, each of up to 2 kB.
    pub lexer_states: usize,
    /// Work on the lexer for one mask; some 14,000 in a millisecond.
    pub mask_work: u64,
    /// How long a compilation may take.
    pub time: Duration,
    /// How long a request waits for its compilation to begin, behind those of others.
    pub patience: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            expression_work: 1_000_000,
            symbols: 250_000,
            lexer_states: 25_000,
            mask_work: 200_000,
            time: Duration::from_millis(250),
            patience: Duration::from_secs(5),
        }
    }
}

/// Why there is no grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// The grammar is wrong, cannot be satisfied, or asks for what cannot be honoured.
    #[error("{0}")]
    Invalid(String),
    /// A bound was reached.
    #[error("the grammar is too complex: {0}")]
    TooComplex(String),
    /// Others' grammars take all the time there is; the same request may succeed later.
    #[error("the server is busy with other requests' schemas; try again")]
    Busy,
}

/// Schemas and grammars compiled over one tokenizer. Cheap to share; costs some 100 ms to make for
/// 150,000 tokens.
pub struct Grammars {
    factory: Arc<ParserFactory>,
    tokenizer: Arc<Tokenizer>,
    time: Duration,
    patience: Duration,
    /// Grammars by what they were compiled from, the latest last.
    kept: Mutex<Vec<(String, Compiled)>>,
    places: Arc<Places>,
}

/// A grammar from which any number of answers can start.
#[derive(Clone)]
pub struct Compiled {
    fresh: llguidance::Matcher,
}

impl Grammars {
    /// Prepares the tokens of a tokenizer.
    ///
    /// # Errors
    /// [`GrammarError::TooComplex`] when llguidance refuses the vocabulary.
    pub fn new(tokenizer: Arc<Tokenizer>, limits: CompileLimits) -> Result<Self, GrammarError> {
        let environment = token_environment(&tokenizer);
        let mut factory = ParserFactory::new(
            &environment,
            InferenceCapabilities::default(),
            &SlicedBiasComputer::json_slices(),
        )
        .map_err(|error| GrammarError::TooComplex(first_line(&error.to_string())))?;
        factory.quiet();
        let bounds = factory.limits_mut();
        bounds.initial_lexer_fuel = limits.expression_work;
        bounds.max_grammar_size = limits.symbols;
        bounds.max_lexer_states = limits.lexer_states;
        bounds.step_lexer_fuel = limits.mask_work;
        bounds.verbose_errors = false;
        Ok(Self {
            factory: Arc::new(factory),
            tokenizer,
            time: limits.time,
            patience: limits.patience,
            kept: Mutex::default(),
            places: Arc::new(Places::new(COMPILED_AT_ONCE)),
        })
    }

    /// The grammar of documents that match a schema.
    ///
    /// # Errors
    /// [`GrammarError`].
    pub fn schema(&self, schema: &Schema) -> Result<Compiled, GrammarError> {
        self.compile(GrammarWithLexer::from_json_schema(with_options(
            schema.value().clone(),
        )))
    }

    /// The grammar of texts that match a regular expression as a whole.
    ///
    /// # Errors
    /// [`GrammarError`].
    pub fn regex(&self, expression: &str) -> Result<Compiled, GrammarError> {
        self.compile(GrammarWithLexer::from_regex(expression))
    }

    /// A grammar in llguidance's dialect of Lark.
    ///
    /// # Errors
    /// [`GrammarError`].
    pub fn lark(&self, text: String) -> Result<Compiled, GrammarError> {
        self.compile(GrammarWithLexer::from_lark(text))
    }

    /// How a Lark grammar writes a fixed text: control tokens as themselves, the rest as text.
    #[must_use]
    pub fn literal(&self, text: &str) -> String {
        match self
            .tokenizer
            .id_of(text)
            .filter(|&id| self.tokenizer.is_control(id))
        {
            Some(id) => format!("<[{id}]>"),
            None => Value::from(text).to_string(),
        }
    }

    /// How a Lark grammar writes documents that match a schema.
    #[must_use]
    pub fn document(schema: &Schema) -> String {
        format!("%json {}", with_options(schema.value().clone()))
    }

    fn compile(&self, grammar: GrammarWithLexer) -> Result<Compiled, GrammarError> {
        let key = serde_json::to_string(&grammar).unwrap_or_default();
        if let Some(compiled) = self.kept(&key) {
            return Ok(compiled);
        }
        let compiled = self.compile_in_time(grammar)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((key, compiled.clone()));
        Ok(compiled)
    }

    fn kept(&self, key: &str) -> Option<Compiled> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(other, _)| other == key)?;
        let entry = kept.remove(at);
        let compiled = entry.1.clone();
        kept.push(entry);
        Some(compiled)
    }

    /// Compiles on a thread of its own, which is left to reach the other bounds when the time is
    /// over.
    fn compile_in_time(&self, grammar: GrammarWithLexer) -> Result<Compiled, GrammarError> {
        let place = Place::take(&self.places, self.patience).ok_or(GrammarError::Busy)?;
        let factory = Arc::clone(&self.factory);
        let (finished, done) = mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("grammar-compile".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                // A bug in the parser of hostile schemas must not become our failure.
                let compiled = catch_unwind(AssertUnwindSafe(|| compile(&factory, grammar)));
                drop(place);
                // An error means that nobody waits any more.
                let _ = finished.send(compiled.unwrap_or_else(|_| {
                    Err(GrammarError::Invalid("it cannot be compiled".to_owned()))
                }));
            })
            .map_err(|error| GrammarError::TooComplex(error.to_string()))?;
        done.recv_timeout(self.time).unwrap_or_else(|_| {
            let time = self.time.as_millis();
            let message = format!("it was not compiled within {time} ms");
            Err(GrammarError::TooComplex(message))
        })
    }
}

/// Places for compilations.
struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Places {
    fn new(count: usize) -> Self {
        Self {
            free: Mutex::new(count),
            freed: Condvar::new(),
        }
    }
}

/// The place of a compilation while it runs.
struct Place(Arc<Places>);

impl Place {
    /// A place, unless none is free for so long.
    fn take(places: &Arc<Places>, patience: Duration) -> Option<Self> {
        let free = places.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut free, _) = places
            .freed
            .wait_timeout_while(free, patience, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(1)?;
        drop(free);
        Some(Self(Arc::clone(places)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free += 1;
        self.0.freed.notify_one();
    }
}

fn compile(factory: &ParserFactory, grammar: GrammarWithLexer) -> Result<Compiled, GrammarError> {
    let parser = factory
        .create_parser(TopLevelGrammar::from_grammar(grammar))
        .map_err(|error| GrammarError::Invalid(first_line(&error.to_string())))?;
    let mut fresh = llguidance::Matcher::new(Ok(parser));
    // The first mask shows grammars that nothing matches.
    match fresh.compute_mask() {
        Ok(mask) if !mask.is_zero() => Ok(Compiled { fresh }),
        Ok(_) => Err(GrammarError::Invalid("nothing matches it".to_owned())),
        Err(error) => Err(GrammarError::TooComplex(first_line(&error.to_string()))),
    }
}

impl Compiled {
    /// A matcher at the start of an answer that may end with these tokens.
    #[must_use]
    pub fn matcher(&self, ending: Arc<[u32]>) -> Matcher {
        Matcher::new(self.fresh.deep_clone(), ending)
    }
}

fn with_options(schema: Value) -> Value {
    let options = json!({ "whitespace_pattern": WHITE_SPACE });
    match schema {
        Value::Object(mut fields) => {
            fields.insert("x-guidance".to_owned(), options);
            Value::Object(fields)
        }
        // True: anything; false was refused by the check.
        _ => json!({ "x-guidance": options }),
    }
}

impl fmt::Debug for Grammars {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Grammars").finish_non_exhaustive()
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Compiled").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_waited_for_and_given_back() {
        let places = Arc::new(Places::new(1));
        let place = Place::take(&places, Duration::ZERO).unwrap();
        assert!(Place::take(&places, Duration::ZERO).is_none());
        let other = Arc::clone(&places);
        let waiting = std::thread::spawn(move || Place::take(&other, Duration::MAX).is_some());
        drop(place);
        assert!(waiting.join().unwrap());
    }
}
