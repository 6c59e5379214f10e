//! `rustygpt key`: keys of accounts, as the person at the machine manages them.

use super::accounts::{Office, scope_name, table, when, with_office};
use crate::arguments::{KeyAction, ScopeChoice};
use crate::config::Settings;
use crate::output;
use anyhow::{Context as _, Result};
use rustygpt_orchestrator::access::Scope;
use rustygpt_orchestrator::accounts::{ApiKeyId, KeptKey, KeyWish, Quota, QuotaPeriod, Timestamp};
use rustygpt_utils::clock::SystemClock;
use std::process::ExitCode;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

pub(crate) async fn run(settings: &Settings, action: KeyAction) -> Result<ExitCode> {
    with_office(settings, |office| act(office, action)).await?;
    Ok(ExitCode::SUCCESS)
}

async fn act(office: Office, action: KeyAction) -> Result<()> {
    let Office {
        accounts,
        owner,
        whence,
    } = office;
    match action {
        KeyAction::Create {
            email,
            name,
            scope,
            days,
            requests_per_minute,
            tokens_per_day,
        } => {
            let account = accounts.find_by_email(&owner, &email).await?;
            let now = Timestamp::now(&SystemClock);
            let wish = KeyWish {
                name,
                scopes: scope.into_iter().map(of_choice).collect(),
                expires_at: days.map(|days| now.plus(DAY.saturating_mul(days))),
                requests_per_minute,
                quota: tokens_per_day.map(|tokens| Quota {
                    tokens,
                    period: QuotaPeriod::Day,
                }),
            };
            let made = accounts
                .create_key_for(&owner, account.id, wish, &whence)
                .await?;
            output::remark("The key is shown now and never again:");
            output::line(made.secret.reveal())?;
        }
        KeyAction::List { email } => {
            let account = accounts.find_by_email(&owner, &email).await?;
            let keys = accounts.keys_of(&owner, account.id).await?;
            let rows: Vec<Vec<String>> = keys.into_iter().map(row).collect();
            table(&rows)?;
        }
        KeyAction::Revoke { id } => {
            let parsed = id
                .parse()
                .with_context(|| format!("'{id}' is no id of a key"))?;
            accounts
                .revoke_any_key(&owner, ApiKeyId(parsed), &whence)
                .await?;
            output::line(&format!("{id} opens no more"))?;
        }
    }
    Ok(())
}

fn row(key: KeptKey) -> Vec<String> {
    let scopes: Vec<&str> = key.scopes.iter().copied().map(scope_name).collect();
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", when(at.0)),
        (None, Some(at)) => format!("expires {}", when(at.0)),
        (None, None) => "no end".to_owned(),
    };
    let used = key.last_used_at.map_or_else(
        || "never used".to_owned(),
        |at| format!("used {}", when(at.0)),
    );
    vec![
        key.id.to_string(),
        key.hint,
        key.name,
        scopes.join("+"),
        state,
        used,
    ]
}

fn of_choice(choice: ScopeChoice) -> Scope {
    match choice {
        ScopeChoice::Inference => Scope::Inference,
        ScopeChoice::Read => Scope::Read,
        ScopeChoice::Write => Scope::Write,
        ScopeChoice::Admin => Scope::Admin,
    }
}
