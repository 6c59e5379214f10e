//! The settings that an administrator changes while the server runs, in the store and in mind.

use super::{Accounts, Setting, Whence, as_admin};
use crate::UseCaseError;
use crate::access::{Action, Caller, Thing, authorize};
use crate::settings::{InvalidSetting, Policy, ShownSetting};
use rustygpt_db::store::Act;
use serde_json::{Value, json};
use std::sync::PoisonError;

impl Accounts {
    /// The policy as it was a moment ago, without asking the store.
    #[must_use]
    pub fn policy(&self) -> Policy {
        // A panic under the lock leaves the former policy.
        *self.policy.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the policy anew.
    pub(super) async fn read_policy(&self) -> Result<(), UseCaseError> {
        let policy = self.settings.policy(&self.store.settings().await?);
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
        Ok(())
    }

    /// Every setting, its value and where that comes from; secrets are hidden.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn settings(&self, caller: &Caller) -> Result<Vec<ShownSetting>, UseCaseError> {
        authorize(caller, Action::View, Thing::Settings)?;
        Ok(self.settings.shown(&self.store.settings().await?))
    }

    /// Changes a setting; with `expected`, only if nobody changed it meanwhile. It counts at once
    /// here, and within a second on other servers of the same store.
    ///
    /// # Errors
    /// [`UseCaseError::NotFound`] for a name that is none, [`UseCaseError::Invalid`] for a value
    /// that is none for it, [`UseCaseError::Conflict`] for one that something outside the store
    /// sets, or that somebody changed meanwhile.
    pub async fn change_setting(
        &self,
        caller: &Caller,
        name: &str,
        value: &Value,
        expected: Option<i64>,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        authorize(caller, Action::Administer, Thing::Settings)?;
        self.settings.check(name, value).map_err(refusal)?;
        let former = self.store.setting(name).await?;
        let mut act = self.setting_act(caller, whence, "setting.change", name);
        act.detail = json!({ "former": shown(former.as_ref()), "value": value }).to_string();
        let value = value.to_string();
        self.store
            .change_setting(name, &value, expected, &act)
            .await?;
        self.read_policy().await
    }

    /// Takes a setting out of the store, so that what stands elsewhere counts again.
    ///
    /// # Errors
    /// As [`Self::change_setting`].
    pub async fn remove_setting(
        &self,
        caller: &Caller,
        name: &str,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        authorize(caller, Action::Administer, Thing::Settings)?;
        self.settings.check_name(name).map_err(refusal)?;
        let former = self.store.setting(name).await?;
        let mut act = self.setting_act(caller, whence, "setting.remove", name);
        act.detail = json!({ "former": shown(former.as_ref()) }).to_string();
        self.store.remove_setting(name, &act).await?;
        self.read_policy().await
    }

    fn setting_act(&self, caller: &Caller, whence: &Whence, action: &str, name: &str) -> Act {
        self.act(
            as_admin(caller),
            whence,
            action,
            format_args!("setting:{name}"),
        )
    }
}

/// A setting's value, for the audit log.
fn shown(setting: Option<&Setting>) -> Value {
    let value = setting.and_then(|setting| serde_json::from_str(&setting.value).ok());
    value.unwrap_or_default()
}

fn refusal(invalid: InvalidSetting) -> UseCaseError {
    match invalid {
        InvalidSetting::Unknown => UseCaseError::NotFound("setting"),
        InvalidSetting::Value(reason) => UseCaseError::invalid("value", reason),
        InvalidSetting::Pinned(reason) => UseCaseError::Conflict(reason),
    }
}
