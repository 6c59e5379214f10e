//! What an administrator changes while the server runs: which settings there are, what values they
//! take, and where the value that counts comes from.
//!
//! Later places win: default < file < store < environment < flag. What the environment or a flag
//! says is *pinned*: the store cannot change it, and who tries is told why. Pure: [`crate::accounts`]
//! reads and writes the store.
//!
//! Invariant: no secret is among these settings. What needs one names where it lies, in a setting
//! that is read at start.

mod definitions;
mod layers;

pub use definitions::{DEFINITIONS, Definition, Kind, find};
pub use layers::{FixedSetting, InvalidSetting, Layers, Place, ShownSetting};

use rustygpt_model::contract::GenerateRequest;
use serde_json::Value;
use std::time::Duration;

/// Who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignUp {
    /// Administrators alone.
    #[default]
    Closed,
    /// Whoever has an invitation.
    Invite,
    /// Everybody.
    Open,
}

/// The settings that count now, each of its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Who may make an account.
    pub sign_up: SignUp,
    /// Requests per minute of a key that has no rate of its own; 0: as many as it likes.
    pub requests_per_minute: u32,
    /// Attempts per minute and network address at the routes that let people in.
    pub attempts_per_minute: u32,
    /// Tokens per day of a key that has no quota of its own; 0: as many as it likes.
    pub tokens_per_day: u64,
    /// Length of an answer when the request names none.
    pub max_tokens: u32,
    /// Temperature when the request names none; `None`: the model's own.
    pub temperature: Option<f32>,
    /// Mass of nucleus sampling when the request names none; `None`: the model's own.
    pub top_p: Option<f32>,
    /// How long what has ended is kept.
    pub keeping: Keeping,
}

/// How long what has ended is kept; `None` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Sign-ins and refresh tokens, after their end.
    pub sign_ins: Option<Duration>,
    /// What was used, by day.
    pub usage: Option<Duration>,
    /// Tasks, after their end.
    pub tasks: Option<Duration>,
    /// Entries of the audit log. They are written to a file before they leave the store.
    pub audit: Option<Duration>,
}

impl Policy {
    /// Reads values that [`Layers`] has proved; what is missing or strange is as by default.
    pub(crate) fn read(value: impl Fn(&'static str) -> Value) -> Self {
        let number = |name| value(name).as_u64().unwrap_or_default();
        let small = |name| u32::try_from(number(name)).unwrap_or(u32::MAX);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a fraction between 0 and 2 needs no more than single precision"
        )]
        let fraction = |name| value(name).as_f64().map(|value| value as f32);
        let days = |name| match number(name) {
            0 => None,
            days => Some(Duration::from_secs(days * 24 * 60 * 60)),
        };
        Self {
            sign_up: match value("sign_up").as_str() {
                Some("open") => SignUp::Open,
                Some("invite") => SignUp::Invite,
                _ => SignUp::Closed,
            },
            requests_per_minute: small("requests_per_minute"),
            attempts_per_minute: small("attempts_per_minute"),
            tokens_per_day: number("tokens_per_day"),
            max_tokens: small("max_tokens"),
            temperature: fraction("temperature"),
            top_p: fraction("top_p"),
            keeping: Keeping {
                sign_ins: days("keep_sign_ins_days"),
                usage: days("keep_usage_days"),
                tasks: days("keep_tasks_days"),
                audit: days("keep_audit_days"),
            },
        }
    }

    /// Fills in what a request leaves open.
    pub fn complete(&self, request: &mut GenerateRequest) {
        request.limits.max_tokens.get_or_insert(self.max_tokens);
        let sampling = &mut request.sampling;
        sampling.temperature = sampling.temperature.or(self.temperature);
        sampling.top_p = sampling.top_p.or(self.top_p);
    }
}

impl Default for Policy {
    fn default() -> Self {
        Layers::default().policy(&[])
    }
}
