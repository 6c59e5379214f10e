//! Rendering equals transformers' `apply_chat_template`.
//!
//! The goldens come from `scripts/goldens/make_templates.py`. To compare other templates, write
//! their goldens with that script and name the file in `RUSTYGPT_TEMPLATE_GOLDENS` and the folders
//! (colon-separated) in `RUSTYGPT_TEMPLATES`.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use rustygpt_model::contract::ModelError;
use rustygpt_model::prompt::{ChatTemplate, RenderRequest};
use rustygpt_utils::clock::ManualClock;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// 2024-07-26T13:05:09Z, where the goldens' clock stands.
const NOW: Duration = Duration::from_secs(1_721_999_109);

fn goldens() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/templates/goldens.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn render(source: &str, case: &Value, tokens: &Value) -> Result<String, ModelError> {
    let mut case = case.clone();
    for (name, text) in tokens.as_object().into_iter().flatten() {
        case[name] = text.clone();
    }
    ChatTemplate::from_source(source, None, None)?
        .with_clock(Arc::new(ManualClock::at(NOW)))
        .render(&RenderRequest::from_openai_json(&case)?)
}

/// `None` if the rendering is the golden one, else both.
fn difference(source: &str, case: &Value, tokens: &Value, golden: &Value) -> Option<String> {
    let ours = render(source, case, tokens);
    match (&ours, golden["text"].as_str(), golden["error"].as_str()) {
        (Ok(ours), Some(theirs), _) if ours == theirs => None,
        // The words of an error are Python's, but for the template's own.
        (Err(ours), _, Some(theirs)) => match theirs.strip_prefix("TemplateError: ") {
            Some(raised) if !ours.to_string().contains(raised) => {
                Some(format!("ours   {ours}\ntheirs {raised}"))
            }
            _ => None,
        },
        _ => Some(format!("ours   {ours:?}\ntheirs {golden}")),
    }
}

/// Compares all templates of the goldens that a folder has.
fn compare(goldens: &Value, folders: &[PathBuf]) -> (usize, Vec<String>) {
    let mut compared = 0;
    let mut differences = Vec::new();
    for (name, results) in goldens["templates"].as_object().unwrap() {
        let file = folders
            .iter()
            .map(|folder| folder.join(format!("{name}.jinja")));
        let Some(source) = file
            .filter_map(|file| std::fs::read_to_string(file).ok())
            .next()
        else {
            continue;
        };
        for (case, golden) in results.as_object().unwrap() {
            compared += 1;
            let request = &goldens["cases"][case];
            if let Some(both) = difference(&source, request, &goldens["tokens"], golden) {
                differences.push(format!("{name} × {case}\n{both}"));
            }
        }
    }
    (compared, differences)
}

#[test]
fn real_templates_render_as_in_transformers() {
    let shared = std::env::var_os("RUSTYGPT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("templates");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let (compared, differences) = compare(&goldens(), &[folder]);
    assert!(compared >= 150, "only {compared} goldens were compared");
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[test]
fn further_templates_render_as_in_transformers() {
    let (Ok(file), Ok(folders)) = (
        std::env::var("RUSTYGPT_TEMPLATE_GOLDENS"),
        std::env::var("RUSTYGPT_TEMPLATES"),
    ) else {
        println!("skipped: RUSTYGPT_TEMPLATE_GOLDENS names no goldens");
        return;
    };
    let goldens = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let folders: Vec<PathBuf> = folders.split(':').map(PathBuf::from).collect();
    let (compared, differences) = compare(&goldens, &folders);
    assert!(
        differences.is_empty(),
        "{}\n\n{} of {compared} differ",
        differences.join("\n\n"),
        differences.len()
    );
}

#[test]
fn expressions_evaluate_as_in_jinja_on_python() {
    let goldens = goldens();
    let mut differences = Vec::new();
    for golden in goldens["expressions"].as_array().unwrap() {
        let source = golden["source"].as_str().unwrap();
        let text = source.replace('␤', "\n").replace('␍', "\r");
        if let Some(both) = difference(&text, &goldens["context"], &goldens["tokens"], golden) {
            differences.push(format!("{source}\n{both}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}
