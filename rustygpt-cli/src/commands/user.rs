//! `rustygpt user`: accounts, as the person at the machine manages them.

use super::accounts::{Office, role_name, table, when, with_office};
use crate::arguments::{RoleChoice, UserAction};
use crate::config::Settings;
use crate::output;
use anyhow::{Context as _, Result};
use rustygpt_orchestrator::access::{AccountId, Caller, Role};
use rustygpt_orchestrator::accounts::{AccountState, Accounts, NewMember, Page, Timestamp};
use rustygpt_utils::clock::SystemClock;
use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) async fn run(settings: &Settings, action: UserAction) -> Result<ExitCode> {
    with_office(settings, |office| act(office, action)).await?;
    Ok(ExitCode::SUCCESS)
}

async fn act(office: Office, action: UserAction) -> Result<()> {
    let Office {
        accounts,
        owner,
        whence,
    } = office;
    let find = async |email: &str| accounts.find_by_email(&owner, email).await;
    match action {
        UserAction::Add {
            email,
            name,
            role,
            password_stdin,
        } => {
            let password = if password_stdin {
                Some(typed_password()?)
            } else {
                None
            };
            let member = NewMember {
                email,
                name,
                role: of_choice(role),
                password,
            };
            let (account, code) = accounts.add(&owner, member, &whence).await?;
            output::line(&format!(
                "added {} as {}",
                account.email,
                role_name(account.role)
            ))?;
            if let Some(code) = code {
                output::line(&format!(
                    "code to set a password with, for one day: {}",
                    code.reveal()
                ))?;
            }
        }
        UserAction::List => {
            let mut rows = Vec::new();
            let mut page = Page::FIRST;
            loop {
                let part = accounts.list(&owner, page).await?;
                if part.is_empty() {
                    break;
                }
                page.offset = page.offset.saturating_add(u32::try_from(part.len())?);
                rows.extend(part.into_iter().map(|account| {
                    let state = match account.state {
                        AccountState::Active => "active",
                        AccountState::Disabled => "disabled",
                    };
                    vec![
                        account.email,
                        account.name,
                        role_name(account.role).to_owned(),
                        state.to_owned(),
                        when(account.created_at.0),
                    ]
                }));
            }
            table(&rows)?;
        }
        UserAction::Role { email, role } => {
            let id = find(&email).await?.id;
            let account = accounts
                .change_role(&owner, id, of_choice(role), &whence)
                .await?;
            output::line(&format!(
                "{} is {} now",
                account.email,
                role_name(account.role)
            ))?;
        }
        UserAction::Reset { email } => {
            let id = find(&email).await?.id;
            let code = accounts.offer_reset(&owner, id, &whence).await?;
            output::line(&format!(
                "code to set a password with, for one day: {}",
                code.reveal()
            ))?;
        }
        UserAction::Disable { email } => {
            let id = find(&email).await?.id;
            accounts
                .change_state(&owner, id, AccountState::Disabled, &whence)
                .await?;
            output::line(&format!("{email} is disabled; what it began ends"))?;
        }
        UserAction::Enable { email } => {
            let id = find(&email).await?.id;
            accounts
                .change_state(&owner, id, AccountState::Active, &whence)
                .await?;
            output::line(&format!("{email} is enabled"))?;
        }
        UserAction::Usage { email, days } => {
            let account = match &email {
                Some(email) => Some(find(email).await?.id),
                None => None,
            };
            usage(&accounts, &owner, account, days).await?;
        }
        UserAction::Delete { email } => {
            let id = find(&email).await?.id;
            accounts.delete(&owner, id, &whence).await?;
            output::line(&format!(
                "{email} is deleted, with everything that was its own"
            ))?;
        }
    }
    Ok(())
}

/// Shows what was used, by day, account, key and model.
async fn usage(
    accounts: &Accounts,
    owner: &Caller,
    account: Option<AccountId>,
    days: u32,
) -> Result<()> {
    let now = Timestamp::now(&SystemClock);
    // Today counts, too.
    let from = now.minus(Duration::from_secs(u64::from(days) * 24 * 60 * 60));
    let (mut rows, mut page) = (Vec::new(), Page::FIRST);
    loop {
        let part = accounts.usage(owner, account, (from, now), page).await?;
        if part.is_empty() {
            return table(&rows);
        }
        page.offset = page.offset.saturating_add(u32::try_from(part.len())?);
        for day in part {
            let who = accounts.find(owner, day.account).await?.email;
            rows.push(vec![
                when(day.day.0).chars().take("2026-11-21".len()).collect(),
                who,
                day.key
                    .map_or_else(|| "-".to_owned(), |key| key.to_string()),
                day.model,
                format!("{} requests", day.requests),
                format!("{} tokens read", day.prompt_tokens),
                format!("{} written", day.completion_tokens),
            ]);
        }
    }
}

/// The first line of standard input: other users can read a command line.
fn typed_password() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let line = text
        .lines()
        .next()
        .context("standard input holds no password")?;
    Ok(line.to_owned())
}

fn of_choice(choice: RoleChoice) -> Role {
    match choice {
        RoleChoice::Admin => Role::Admin,
        RoleChoice::User => Role::User,
        RoleChoice::ReadOnly => Role::ReadOnly,
    }
}
