//! Tool calls as models write them.
//!
//! A [`CallFormat`] is data: which marks surround calls and how one call is written. One reader
//! ([`CallReader`]) reads all formats and one writer makes their grammars ([`calls_grammar`]), so
//! that what is promised and what is understood cannot differ. Which format a model was trained
//! on shows in its chat template ([`CallFormat::of_template`]).

mod body;
mod deepseek;
mod extent;
mod generic;
mod grammar;
mod granite;
mod hermes;
mod llama;
mod mistral;
mod phi;
mod probe;
mod reader;

pub use grammar::{CallableTool, calls_grammar, calls_or_document};
pub use probe::probe;
pub use reader::{CallEvent, CallReader, Reading, Taken};

/// How a model writes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallFormat {
    /// What begins calls, anywhere in an answer.
    pub begin: Option<&'static str>,
    /// Whether an answer that begins with `{` may be a call.
    pub is_bare: bool,
    /// Whether the calls are a JSON list.
    pub is_list: bool,
    /// What surrounds each single call.
    pub each: Option<(&'static str, &'static str)>,
    /// How one call is written.
    pub body: CallBody,
    /// What ends the calls.
    pub end: Option<&'static str>,
    /// How many characters ids have behind their prefix; some templates refuse others.
    pub id: CallId,
}

/// How one call is written. White space may stand between the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallBody {
    /// `{"name": …, "arguments": …}`, where the second key has this name.
    Object {
        /// `arguments` or `parameters`.
        arguments: &'static str,
    },
    /// The name, then the arguments.
    Named {
        /// Before the name.
        before: &'static str,
        /// Between the name and the arguments.
        between: &'static str,
        /// Behind the arguments.
        after: &'static str,
    },
}

/// What the ids of calls look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallId {
    /// `call_` and 24 letters and digits, as OpenAI's.
    Usual,
    /// Nine letters and digits: Mistral's templates take no others.
    Nine,
}

impl CallFormat {
    /// The format that a template's text shows. A template of no known format, or one that does
    /// not speak of tools, gets the generic one.
    #[must_use]
    pub fn of_template(source: &str) -> Self {
        let known: [fn(&str) -> Option<Self>; 6] = [
            deepseek::of_template,
            mistral::of_template,
            phi::of_template,
            granite::of_template,
            hermes::of_template,
            llama::of_template,
        ];
        known
            .iter()
            .find_map(|of_template| of_template(source))
            .unwrap_or(generic::FORMAT)
    }

    /// The texts that may be control tokens and that the reader must see.
    pub fn marks(&self) -> impl Iterator<Item = &'static str> {
        let named = match self.body {
            CallBody::Object { .. } => [""; 3],
            CallBody::Named {
                before,
                between,
                after,
            } => [before, between, after],
        };
        let each = self.each.map(|(begin, end)| [begin, end]);
        self.begin
            .into_iter()
            .chain(self.end)
            .chain(each.into_iter().flatten())
            .chain(named)
            .filter(|mark| !mark.is_empty())
    }
}

/// The id of a call, from a number that is unlike all others: 62^9 and more of them.
#[must_use]
pub fn call_id(format: CallId, base: u64, choice: u32, call: u32) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (prefix, length) = match format {
        CallId::Usual => ("call_", 24),
        CallId::Nine => ("", 9),
    };
    let mut id = prefix.to_owned();
    let mut state = base ^ (u64::from(choice) << 32 | u64::from(call));
    for _ in 0..length {
        // SplitMix64 (Steele et al., 2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        id.extend(
            DIGITS
                .get((mixed % 62) as usize)
                .map(|&digit| char::from(digit)),
        );
    }
    id
}

#[cfg(test)]
mod tests;
