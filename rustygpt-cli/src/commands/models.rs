//! `rustygpt models`: what lies on this disk.

use crate::arguments::{ModelsAction, ModelsArguments};
use crate::config::Settings;
use crate::output::{self, harmless, human_bytes};
use crate::{compose, models_on_disk};
use anyhow::{Context as _, Result, bail};
use rustygpt_model::registry::{self, FoundModel, Home};
use rustygpt_model::weights::{ModelFiles, Purpose};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(settings: &Settings, arguments: ModelsArguments) -> Result<ExitCode> {
    match arguments
        .action
        .unwrap_or(ModelsAction::List { json: false })
    {
        ModelsAction::List { json } => list(settings, json),
        ModelsAction::Show { model, json } => show(settings, &model, json),
        ModelsAction::Delete { model, yes } => delete(settings, &model, yes),
    }
}

fn list(settings: &Settings, as_json: bool) -> Result<ExitCode> {
    let found = models_on_disk::everywhere(settings);
    let mut out = output::stdout();
    if as_json {
        let models: Vec<Value> = found
            .iter()
            .map(|model| as_value(settings, model))
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&models)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        drop(out);
        output::remark(&format!(
            "no models in {}, nor in Ollama's or LM Studio's folders; get one: rustygpt pull \
             Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M",
            settings.models_dir.display()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let width = found
        .iter()
        .map(|model| model.id.chars().count())
        .max()
        .unwrap_or(0);
    for model in &found {
        let (id, size, home) = (
            harmless(&model.id),
            human_bytes(model.bytes),
            model.home.name(),
        );
        let remark = match &model.summary {
            Ok(summary) => {
                let fits = match fits(settings, model) {
                    Some(false) => "  does not fit into memory now",
                    _ => "",
                };
                let purpose = match &summary.purpose {
                    Ok(Purpose::Language) => String::new(),
                    Ok(Purpose::Embedding(_)) => "  embeddings".to_owned(),
                    Err(reason) => format!("  cannot be used: {}", harmless(reason)),
                };
                format!(
                    "{} {}{purpose}{fits}",
                    harmless(&summary.architecture),
                    summary.quantization
                )
            }
            Err(error) => format!("broken: {}", harmless(&error.to_string())),
        };
        writeln!(out, "{id:<width$}  {size:>10}  {home:<9}  {remark}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a model fits into memory now; `None` where that cannot be told.
fn fits(settings: &Settings, model: &FoundModel) -> Option<bool> {
    let files = ModelFiles::open(&model.path).ok()?;
    let footprint = compose::footprint(settings, &files).ok()?;
    let needed = compose::least_bytes(settings, &footprint);
    match registry::fits_in_memory(&model.path, needed) {
        Ok(fit) => fit.available_bytes.map(|_| true),
        Err(_) => Some(false),
    }
}

fn as_value(settings: &Settings, model: &FoundModel) -> Value {
    let mut value = json!({
        "id": model.id,
        "path": model.path,
        "home": model.home.name(),
        "bytes": model.bytes,
    });
    let details = match &model.summary {
        Ok(summary) => json!({
            "name": summary.name,
            "kind": summary.purpose.as_ref().ok().map(|purpose| purpose.name()),
            "architecture": summary.architecture,
            "quantization": summary.quantization,
            "parameters": summary.parameters,
            "layers": summary.layers,
            "vocabulary": summary.vocabulary,
            "trained_context_length": summary.trained_context_length,
            "has_chat_template": summary.has_chat_template,
            "fits_in_memory": fits(settings, model),
        }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    if let (Value::Object(value), Value::Object(details)) = (&mut value, details) {
        value.extend(details);
    }
    value
}

fn find(settings: &Settings, name: &str) -> Result<FoundModel> {
    let mut found = models_on_disk::everywhere(settings);
    let is_it = |model: &FoundModel| model.id == name || model.path == Path::new(name);
    match found.iter().position(is_it) {
        Some(place) => Ok(found.swap_remove(place)),
        None => bail!("there is no model '{name}' on this computer; see: rustygpt models"),
    }
}

fn show(settings: &Settings, name: &str, as_json: bool) -> Result<ExitCode> {
    let value = as_value(settings, &find(settings, name)?);
    let mut out = output::stdout();
    if as_json {
        writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => "unknown".to_owned(),
            value => value.to_string(),
        };
        writeln!(out, "{key:<22}  {}", harmless(&text))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn delete(settings: &Settings, name: &str, yes: bool) -> Result<ExitCode> {
    let model = find(settings, name)?;
    if model.home != Home::Own {
        bail!("'{name}' belongs to {}; delete it there", model.home.name());
    }
    let files = files_of(&settings.models_dir, &model.path)?;
    let size = human_bytes(model.bytes);
    if !yes {
        output::remark(&format!("delete {} ({size})? [y/N]", model.path.display()));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            bail!("nothing was deleted");
        }
    }
    for path in &files {
        let outcome = if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
        outcome.with_context(|| format!("cannot delete {}", path.display()))?;
    }
    output::remark(&format!("deleted {name} ({size})"));
    Ok(ExitCode::SUCCESS)
}

/// What a model consists of: a folder, a file, or all parts of a split file.
///
/// # Errors
/// A path that, once links are followed, is not below the models folder.
fn files_of(models_dir: &Path, path: &Path) -> Result<Vec<std::path::PathBuf>> {
    let (folder, real) = (models_dir.canonicalize()?, path.canonicalize()?);
    if real == folder || !real.starts_with(&folder) {
        bail!(
            "{} lies outside the models folder; delete it by hand",
            real.display()
        );
    }
    if path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let stem = |path: &Path| {
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let base = stem(path);
    let base = models_on_disk::without_part_number(&base);
    if base == stem(path) {
        return Ok(vec![path.to_owned()]);
    }
    let parent = path.parent().context("a file has a folder")?;
    let mut parts = Vec::new();
    for entry in fs::read_dir(parent)? {
        let part = entry?.path();
        let is_gguf = part.extension() == path.extension();
        if is_gguf && models_on_disk::without_part_number(&stem(&part)) == base {
            parts.push(part);
        }
    }
    Ok(parts)
}
