//! `rustygpt migrate`, `seed` and `audit verify`: the store itself.

use super::accounts::{Office, role_name, with_office};
use crate::compose;
use crate::config::Settings;
use crate::output;
use anyhow::{Context as _, Result, bail};
use rustygpt_db::audit_chain::Verified;
use rustygpt_db::audit_file;
use rustygpt_orchestrator::access::Role;
use rustygpt_orchestrator::accounts::{KeyWish, NewMember, Page};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;

/// Brings the store's schema up to date, which opening it does.
pub(crate) async fn migrate(settings: &Settings) -> Result<ExitCode> {
    let store = compose::open_store(settings).await?;
    store.ping().await?;
    store.close().await;
    output::line("the store is up to date")?;
    Ok(ExitCode::SUCCESS)
}

/// Fills an empty store with people to try things out with.
pub(crate) async fn seed(settings: &Settings) -> Result<ExitCode> {
    with_office(settings, plant).await?;
    Ok(ExitCode::SUCCESS)
}

async fn plant(office: Office) -> Result<()> {
    let Office {
        accounts,
        owner,
        whence,
    } = office;
    if !accounts.list(&owner, Page::FIRST).await?.is_empty() {
        bail!("there are accounts already; demo data goes into an empty store only (--data-dir)");
    }
    let people = [
        ("ada@example.org", "Ada Lovelace", Role::Admin),
        ("grace@example.org", "Grace Hopper", Role::User),
        ("guest@example.org", "A guest", Role::ReadOnly),
    ];
    for (email, name, role) in people {
        // Made anew for every store: a known password would be found on servers one day.
        let key = rustygpt_orchestrator::accounts::OneTimeCode::generate()?;
        let member = NewMember {
            email: email.to_owned(),
            name: name.to_owned(),
            role,
            password: Some(key.reveal()),
        };
        let (account, _) = accounts.add(&owner, member, &whence).await?;
        output::line(&format!(
            "{email}  {}  password {}",
            role_name(role),
            key.reveal()
        ))?;
        if role == Role::User {
            let wish = KeyWish {
                name: "demo".to_owned(),
                ..KeyWish::default()
            };
            let made = accounts
                .create_key_for(&owner, account.id, wish, &whence)
                .await?;
            output::line(&format!("{email}  key {}", made.secret.reveal()))?;
        }
    }
    Ok(())
}

/// Reads the whole audit log, or a file of it, and says whether anything in it was changed, cut or moved.
pub(crate) async fn verify_audit(settings: &Settings, file: Option<&Path>) -> Result<ExitCode> {
    let verified = match file {
        Some(path) => {
            let file = File::open(path);
            let file = file.with_context(|| format!("cannot read {}", path.display()))?;
            let verified = audit_file::verify(BufReader::new(file));
            verified.with_context(|| path.display().to_string())?
        }
        None => {
            with_office(settings, async |office| {
                Ok(office.accounts.verify_audit(&office.owner).await?)
            })
            .await?
        }
    };
    tell_verified(&verified)
}

fn tell_verified(verified: &Verified) -> Result<ExitCode> {
    let hash = verified
        .head
        .last_hash
        .map(|byte| format!("{byte:02x}"))
        .concat();
    match verified.fault {
        None => {
            let (entries, last) = (verified.entries, verified.head.last);
            output::line(&format!(
                "{entries} entries, whole; the last is {last} with hash {hash}"
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(fault) => {
            output::line(&format!("{} entries, then: {fault}", verified.entries))?;
            Ok(ExitCode::FAILURE)
        }
    }
}
