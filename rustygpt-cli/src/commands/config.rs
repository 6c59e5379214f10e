//! `rustygpt config`: the settings and where they came from.

use crate::config::Config;
use crate::output;
use anyhow::Result;
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;

pub(crate) fn show(config: &Config, as_json: bool) -> Result<ExitCode> {
    // Values that mean nothing are reported here as everywhere else.
    let settings = config.settings()?;
    let mut out = output::stdout();
    let lines = config.show();
    if as_json {
        let entries = lines.into_iter().map(|(name, value, source)| {
            (name.to_owned(), json!({ "value": value, "source": source }))
        });
        let object = serde_json::Map::from_iter(entries);
        writeln!(out, "{}", serde_json::to_string_pretty(&object)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = |column: fn(&(&str, String, String)) -> usize| lines.iter().map(column).max();
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
