//! `rustygpt doctor`: what is wrong on this machine, and what to do about it.

use crate::config::Config;
use crate::faults::{self, FAULTS, Facts, Severity};
use crate::{compose, output};
use anyhow::{Result, anyhow};
use rustygpt_model::registry;
use std::io::Write;
use std::process::ExitCode;

/// Reports every fault. Fails if one of them is an error.
pub(crate) fn run(config: &Result<Config>) -> Result<ExitCode> {
    let settings = match config {
        Ok(config) => config.settings(),
        // The settings' error is the configuration's; it is reported once.
        Err(_) => Err(anyhow!("the configuration cannot be read")),
    };
    let models = settings
        .as_ref()
        .map(compose::model_facts)
        .unwrap_or_default();
    let facts = Facts::gather(config, &settings, models, registry::available_memory());
    let findings = faults::findings(&facts);
    let mut out = output::stdout();
    for (name, finding) in &findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(
            out,
            "{severity} [{name}]: {}",
            output::harmless(&finding.what)
        )?;
        writeln!(out, "    {}", finding.remedy)?;
    }
    let errors = findings
        .iter()
        .filter(|(_, f)| f.severity == Severity::Error)
        .count();
    let warnings = findings.len() - errors;
    writeln!(
        out,
        "{} things looked at: {errors} errors, {warnings} warnings",
        FAULTS.len(),
    )?;
    Ok(if errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
