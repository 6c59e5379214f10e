//! `rustygpt config`: the settings and where they came from.

use super::accounts::{Office, with_office};
use crate::arguments::ConfigAction;
use crate::config::settings::StorePlace;
use crate::config::{Config, Settings, keys, runtime};
use crate::output;
use anyhow::{Result, bail};
use rustygpt_orchestrator::UseCaseError;
use rustygpt_orchestrator::settings;
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;

/// Name, value, source.
type Line = (&'static str, String, String);

pub(crate) async fn run(
    config: &Config,
    settings: &Settings,
    action: ConfigAction,
) -> Result<ExitCode> {
    match action {
        ConfigAction::Show { json, .. } => show(config, settings, json).await,
        ConfigAction::Set { name, value } => {
            with_office(settings, |office| set(office, name, value)).await
        }
        ConfigAction::Unset { name } => with_office(settings, |office| unset(office, name)).await,
    }
}

async fn show(config: &Config, settings: &Settings, as_json: bool) -> Result<ExitCode> {
    let mut lines = config.show();
    if is_there(settings) {
        // Without it the rest is still worth showing.
        if let Err(error) = add_store(settings, &mut lines).await {
            output::remark(&format!(
                "the store cannot be read, its settings are not shown: {error:#}"
            ));
        }
    }
    let mut out = output::stdout();
    if as_json {
        let entries = lines.into_iter().map(|(name, value, source)| {
            (name.to_owned(), json!({ "value": value, "source": source }))
        });
        let object = serde_json::Map::from_iter(entries);
        writeln!(out, "{}", serde_json::to_string_pretty(&object)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = |column: fn(&Line) -> usize| lines.iter().map(column).max();
    let name_width = width(|line| line.0.len()).unwrap_or(0);
    let value_width = width(|line| line.1.chars().count()).unwrap_or(0);
    let exists = if config.file.exists() {
        ""
    } else {
        " (does not exist)"
    };
    writeln!(
        out,
        "# configuration file: {}{exists}",
        config.file.display()
    )?;
    writeln!(out, "# data folder: {}", settings.data_dir.display())?;
    writeln!(out, "# models folder: {}", settings.models_dir.display())?;
    for (name, value, source) in lines {
        writeln!(out, "{name:<name_width$}  {value:<value_width$}  {source}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether there is a store already: looking at the settings makes none.
fn is_there(settings: &Settings) -> bool {
    match &settings.store {
        StorePlace::File(path) => path.exists(),
        StorePlace::Database(_) | StorePlace::At(..) => true,
    }
}

/// Puts what the store says into the lines.
async fn add_store(settings: &Settings, lines: &mut [Line]) -> Result<()> {
    let shown = with_office(settings, async |office| {
        Ok(office.accounts.settings(&office.owner).await?)
    });
    for setting in shown.await?.into_iter().filter(|one| one.source == "store") {
        if let Some(line) = lines.iter_mut().find(|line| line.0 == setting.name) {
            line.1 = setting.value.to_string();
            line.2 = setting.source;
        }
    }
    Ok(())
}

async fn set(office: Office, name: String, text: String) -> Result<ExitCode> {
    let value = match settings::find(&name) {
        Some(setting) => runtime::json(setting.kind, &text),
        None => json!(text),
    };
    let Office {
        accounts,
        owner,
        whence,
    } = office;
    let changed = accounts.change_setting(&owner, &name, &value, None, &whence);
    named(&name, changed.await)?;
    output::line(&format!("{name} is {value} now"))?;
    Ok(ExitCode::SUCCESS)
}

async fn unset(office: Office, name: String) -> Result<ExitCode> {
    let Office {
        accounts,
        owner,
        whence,
    } = office;
    named(&name, accounts.remove_setting(&owner, &name, &whence).await)?;
    output::line(&format!("{name} is not in the store any more"))?;
    Ok(ExitCode::SUCCESS)
}

/// Helps whoever misspelt a name.
fn named(name: &str, done: Result<(), UseCaseError>) -> Result<()> {
    match done {
        Err(UseCaseError::NotFound(_)) => {
            let nearest = keys::nearest(name);
            bail!("there is no setting '{name}'; did you mean '{nearest}'?")
        }
        done => Ok(done?),
    }
}
