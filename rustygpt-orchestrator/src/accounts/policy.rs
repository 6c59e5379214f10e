//! What an administrator changes while the server runs. Secrets are never among it.

use super::{Accounts, Setting, Whence, as_admin};
use crate::UseCaseError;
use crate::access::{Action, Caller, Thing, authorize};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::PoisonError;

/// Who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignUp {
    /// Administrators alone.
    #[default]
    Closed,
    /// Whoever has an invitation.
    Invite,
    /// Everybody.
    Open,
}

/// The settings, each of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who may make an account.
    pub sign_up: SignUp,
    /// Requests per minute of a key that has no rate of its own; 0: as many as it likes.
    pub requests_per_minute: u32,
    /// Attempts per minute and network address at the routes that let people in.
    pub attempts_per_minute: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            sign_up: SignUp::default(),
            requests_per_minute: 0,
            attempts_per_minute: 30,
        }
    }
}

/// A setting as an administrator sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownSetting {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
    /// Where that comes from: `default` or `store`.
    pub source: &'static str,
    /// Grows with each change; 0 while it was never changed.
    pub revision: i64,
}

const NAMES: [&str; 3] = ["sign_up", "requests_per_minute", "attempts_per_minute"];

impl Policy {
    /// The settings of the store over the defaults.
    fn read(settings: &[Setting]) -> Self {
        let mut policy = Self::default();
        for setting in settings {
            if let Ok(value) = serde_json::from_str(&setting.value) {
                // One that this program cannot read, because a newer one wrote it, is left out.
                let _ = policy.set(&setting.name, &value);
            }
        }
        policy
    }

    /// Takes a value over; `None` if there is no such setting or the value is none for it.
    fn set(&mut self, name: &str, value: &Value) -> Option<()> {
        let number = |least: u64, most: u64| {
            let number = value
                .as_u64()
                .filter(|number| (least..=most).contains(number))?;
            u32::try_from(number).ok()
        };
        match name {
            "sign_up" => self.sign_up = serde_json::from_value(value.clone()).ok()?,
            "requests_per_minute" => self.requests_per_minute = number(0, 1_000_000)?,
            "attempts_per_minute" => self.attempts_per_minute = number(1, 10_000)?,
            _ => return None,
        }
        Some(())
    }

    fn value(&self, name: &str) -> Value {
        match name {
            "sign_up" => serde_json::to_value(self.sign_up).unwrap_or_default(),
            "requests_per_minute" => self.requests_per_minute.into(),
            "attempts_per_minute" => self.attempts_per_minute.into(),
            _ => Value::Null,
        }
    }
}

impl Accounts {
    /// The policy as it was a moment ago, without asking the store.
    #[must_use]
    pub fn policy(&self) -> Policy {
        // A panic under the lock leaves the former policy.
        *self.policy.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the policy anew.
    pub(super) async fn read_policy(&self) -> Result<(), UseCaseError> {
        let policy = Policy::read(&self.store.settings().await?);
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
        Ok(())
    }

    /// Every setting, its value and where that comes from.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn settings(&self, caller: &Caller) -> Result<Vec<ShownSetting>, UseCaseError> {
        authorize(caller, Action::View, Thing::Settings)?;
        let stored = self.store.settings().await?;
        let policy = Policy::read(&stored);
        let show = |name: &'static str| {
            let revision = stored.iter().find(|s| s.name == name).map(|s| s.revision);
            ShownSetting {
                name,
                value: policy.value(name),
                source: if revision.is_some() {
                    "store"
                } else {
                    "default"
                },
                revision: revision.unwrap_or(0),
            }
        };
        Ok(NAMES.map(show).into())
    }

    /// Changes a setting; with `expected`, only if nobody changed it meanwhile.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`] for a name that is none, [`UseCaseError::Invalid`] for a value
    /// that is none for it, [`UseCaseError::Conflict`].
    pub async fn change_setting(
        &self,
        caller: &Caller,
        name: &str,
        value: &Value,
        expected: Option<i64>,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        authorize(caller, Action::Administer, Thing::Settings)?;
        if !NAMES.contains(&name) {
            return Err(UseCaseError::NotFound("setting"));
        }
        if Policy::default().set(name, value).is_none() {
            return Err(UseCaseError::invalid(
                "value",
                "That is no value for this setting.",
            ));
        }
        let object = format_args!("setting:{name}").to_string();
        let act = self.act(as_admin(caller), whence, "setting.change", object);
        let value = value.to_string();
        self.store
            .change_setting(name, &value, expected, &act)
            .await?;
        self.read_policy().await
    }

    /// Has a setting's default count again.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`] for a name that is none.
    pub async fn remove_setting(
        &self,
        caller: &Caller,
        name: &str,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        authorize(caller, Action::Administer, Thing::Settings)?;
        if !NAMES.contains(&name) {
            return Err(UseCaseError::NotFound("setting"));
        }
        let object = format_args!("setting:{name}").to_string();
        let act = self.act(as_admin(caller), whence, "setting.remove", object);
        self.store.remove_setting(name, &act).await?;
        self.read_policy().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_of_their_setting_are_taken() {
        let takes = |name: &str, text: &str| {
            Policy::default()
                .set(name, &serde_json::from_str(text).unwrap())
                .is_some()
        };
        assert!(takes("sign_up", "\"open\"") && takes("requests_per_minute", "0"));
        for (name, value) in [
            ("sign_up", "\"OPEN\""),
            ("sign_up", "1"),
            ("requests_per_minute", "-1"),
            ("requests_per_minute", "4294967296"),
            ("attempts_per_minute", "0"),
            ("attempts_per_minute", "\"5\""),
            ("api_key", "\"x\""),
        ] {
            assert!(!takes(name, value), "{name} = {value}");
        }
    }

    #[test]
    fn every_setting_has_a_name_and_a_value() {
        for name in NAMES {
            let mut policy = Policy::default();
            let value = policy.value(name);
            assert!(policy.set(name, &value).is_some(), "{name}");
        }
    }
}
