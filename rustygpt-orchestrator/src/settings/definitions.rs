//! The table of settings that count while the server runs.

use serde_json::Value;

/// What the values of a setting are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number within bounds, both included.
    Number(u64, u64),
    /// A number within bounds, both included.
    Fraction(f64, f64),
}

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Its value where nothing else is said, as JSON; `null`: whoever is concerned decides.
    pub default: &'static str,
    /// One sentence.
    pub help: &'static str,
}

/// Every one of them.
pub const DEFINITIONS: [Definition; 11] = [
    Definition {
        name: "sign_up",
        kind: Kind::Word(&["closed", "invite", "open"]),
        default: "\"closed\"",
        help: "Who may make an account: administrators, those with an invitation, everybody",
    },
    Definition {
        name: "requests_per_minute",
        kind: Kind::Number(0, 1_000_000),
        default: "0",
        help: "Requests per minute of a key that has no rate of its own; 0 is no limit",
    },
    Definition {
        name: "attempts_per_minute",
        kind: Kind::Number(1, 10_000),
        default: "30",
        help: "Attempts to sign in per minute and network address",
    },
    Definition {
        name: "tokens_per_day",
        kind: Kind::Number(0, 1_000_000_000_000),
        default: "0",
        help: "Tokens per day of a key that has no quota of its own; 0 is no limit",
    },
    Definition {
        name: "max_tokens",
        kind: Kind::Number(1, 16_777_216),
        default: "4096",
        help: "Length of an answer when the request names none",
    },
    Definition {
        name: "temperature",
        kind: Kind::Fraction(0.0, 2.0),
        default: "null",
        help: "Temperature when the request names none [default: the model's own]",
    },
    Definition {
        name: "top_p",
        kind: Kind::Fraction(0.01, 1.0),
        default: "null",
        help: "Mass of the likeliest tokens when the request names none [default: the model's own]",
    },
    Definition {
        name: "keep_sign_ins_days",
        kind: Kind::Number(0, 36_500),
        default: "30",
        help: "Days that sign-ins are kept after their end; 0 is for ever",
    },
    Definition {
        name: "keep_usage_days",
        // A month's quota is counted from its first day on.
        kind: Kind::Number(32, 36_500),
        default: "400",
        help: "Days that usage is kept",
    },
    Definition {
        name: "keep_tasks_days",
        kind: Kind::Number(0, 36_500),
        default: "30",
        help: "Days that tasks are kept after their end; 0 is for ever",
    },
    Definition {
        name: "keep_audit_days",
        kind: Kind::Number(0, 36_500),
        default: "0",
        help: "Days after which entries of the audit log move to files; 0 is never",
    },
];

/// The setting of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Definition> {
    static TABLE: [Definition; DEFINITIONS.len()] = DEFINITIONS;
    TABLE.iter().find(|setting| setting.name == name)
}

impl Definition {
    /// Its value where nothing else is said.
    #[must_use]
    pub fn default_value(&self) -> Value {
        serde_json::from_str(self.default).unwrap_or_default()
    }

    /// Whether a value is one for it.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let name = self.name;
        let is_one = match self.kind {
            Kind::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Kind::Number(least, most) => value
                .as_u64()
                .is_some_and(|number| (least..=most).contains(&number)),
            Kind::Fraction(least, most) => value
                .as_f64()
                .is_some_and(|number| (least..=most).contains(&number)),
        };
        if is_one {
            return Ok(());
        }
        Err(match self.kind {
            Kind::Word(words) => format!("{name} must be one of: {}.", words.join(", ")),
            Kind::Number(least, most) => {
                format!("{name} must be a whole number from {least} to {most}.")
            }
            Kind::Fraction(least, most) => {
                format!("{name} must be a number from {least} to {most}.")
            }
        })
    }
}
