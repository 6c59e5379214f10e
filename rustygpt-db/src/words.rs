//! The words that stand in rows for the variants of the contract's enums. Both homes write the
//! same ones. A word is never given another meaning: rows outlive programs.

use crate::store::{
    AccountId, AccountState, CodePurpose, Holder, Outcome, Principal, QuotaPeriod, Role, Scope,
    StoreError, StoreResult, TaskState,
};
use uuid::Uuid;

/// A closed set of values, each with its word.
pub(crate) trait Word: Sized + 'static {
    /// What the set is called, for errors.
    const WHAT: &'static str;
    /// Every value and its word.
    #[cfg(test)]
    const WORDS: &'static [(Self, &'static str)];

    /// The word of this value.
    fn word(&self) -> &'static str;

    /// The value of a word.
    fn parse(word: &str) -> StoreResult<Self>;
}

macro_rules! words {
    ($type:ident, $what:literal, $($variant:ident => $word:literal),+ $(,)?) => {
        impl Word for $type {
            const WHAT: &'static str = $what;
            #[cfg(test)]
            const WORDS: &'static [(Self, &'static str)] = &[$(($type::$variant, $word)),+];

            fn word(&self) -> &'static str {
                match self {
                    $($type::$variant => $word,)+
                }
            }

            fn parse(word: &str) -> StoreResult<Self> {
                match word {
                    $($word => Ok($type::$variant),)+
                    _ => Err(unknown(Self::WHAT, word)),
                }
            }
        }
    };
}

words!(Role, "role", ReadOnly => "read_only", User => "user", Admin => "admin");
words!(AccountState, "account state", Active => "active", Disabled => "disabled");
words!(Outcome, "outcome", Done => "done", Refused => "refused", Failed => "failed");
words!(QuotaPeriod, "quota period", Day => "day", Month => "month");
words!(
    Scope, "scope",
    Inference => "inference", Read => "read", Write => "write", Admin => "admin",
);
words!(
    TaskState, "task state",
    Waiting => "waiting", Running => "running", Done => "done", Dead => "dead",
    Cancelled => "cancelled",
);
words!(
    CodePurpose, "code purpose",
    Owner => "owner", Open => "open", Invitation => "invitation",
    PasswordReset => "password_reset", Recovery => "recovery",
    EmailVerification => "email_verification", OauthState => "oauth_state",
    SecondFactor => "second_factor",
);

/// A word that no value has.
pub(crate) fn unknown(what: &str, word: &str) -> StoreError {
    StoreError::Corrupt {
        what: format!("{what} `{}`", word.chars().take(64).collect::<String>()),
        cause: None,
    }
}

/// Scopes in one column: their words between spaces.
pub(crate) fn scopes_text(scopes: &[Scope]) -> String {
    let words: Vec<&str> = scopes.iter().map(Word::word).collect();
    words.join(" ")
}

/// Reads what [`scopes_text`] wrote.
pub(crate) fn scopes(text: &str) -> StoreResult<Vec<Scope>> {
    text.split_whitespace().map(Scope::parse).collect()
}

/// A principal's word; its account stands beside it.
pub(crate) fn principal_word(principal: Principal) -> &'static str {
    match principal {
        Principal::Server => "server",
        Principal::Account(_) => "account",
        Principal::Admin(_) => "admin",
    }
}

/// Reads a principal from its word and account.
pub(crate) fn principal(word: &str, account: Option<Uuid>) -> StoreResult<Principal> {
    match (word, account) {
        ("server", None) => Ok(Principal::Server),
        ("account", Some(id)) => Ok(Principal::Account(AccountId(id))),
        ("admin", Some(id)) => Ok(Principal::Admin(AccountId(id))),
        _ => Err(unknown("principal", word)),
    }
}

/// Whose rows a principal sees: everybody's when `None`.
pub(crate) fn viewer(principal: Principal) -> Option<Uuid> {
    match principal {
        Principal::Server | Principal::Admin(_) => None,
        Principal::Account(id) => Some(id.0),
    }
}

/// A holder's word and id.
pub(crate) fn holder(holder: Holder) -> (&'static str, Uuid) {
    match holder {
        Holder::Key(id) => ("key", id.0),
        Holder::Account(id) => ("account", id.0),
    }
}

/// A count as a column holds it; what is beyond that is as good as its greatest.
pub(crate) fn saturated(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Whether an account has at most one code of this purpose.
pub(crate) fn is_single(purpose: CodePurpose) -> bool {
    matches!(
        purpose,
        CodePurpose::Owner | CodePurpose::PasswordReset | CodePurpose::EmailVerification
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each_reads_back<T: Word + PartialEq + std::fmt::Debug>() {
        for (value, word) in T::WORDS {
            assert_eq!(value.word(), *word);
            assert_eq!(T::parse(word).unwrap(), *value);
        }
        assert!(matches!(
            T::parse("nonsense"),
            Err(StoreError::Corrupt { .. })
        ));
    }

    #[test]
    fn every_word_reads_back_as_what_wrote_it() {
        each_reads_back::<Role>();
        each_reads_back::<AccountState>();
        each_reads_back::<Outcome>();
        each_reads_back::<QuotaPeriod>();
        each_reads_back::<Scope>();
        each_reads_back::<TaskState>();
        each_reads_back::<CodePurpose>();
        let all = [Scope::Inference, Scope::Read, Scope::Write, Scope::Admin];
        assert_eq!(scopes(&scopes_text(&all)).unwrap(), all);
        assert_eq!(scopes("").unwrap(), []);
    }
}
