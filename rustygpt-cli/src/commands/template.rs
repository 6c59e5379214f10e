//! `rustygpt template`: what a model really reads of a request.

use crate::arguments::TemplateArguments;
use crate::{compose, output};
use anyhow::{Context as _, Result, bail};
use rustygpt_model::prompt::{ChatTemplate, RenderRequest};
use rustygpt_model::weights::ModelFiles;
use serde_json::Value;
use std::fs;
use std::process::ExitCode;

/// A template that is longer is not read.
const LONGEST_FILE: u64 = 16 << 20;

pub(crate) async fn run(arguments: &TemplateArguments) -> Result<ExitCode> {
    let request: Value = serde_json::from_str(&read(&arguments.request)?)
        .with_context(|| format!("{} is not JSON", arguments.request.display()))?;
    let template = match (&arguments.template, &arguments.model) {
        (Some(path), _) => {
            let token = |name: &str| request.get(name).and_then(Value::as_str).map(str::to_owned);
            ChatTemplate::from_source(read(path)?, token("bos_token"), token("eos_token"))?
        }
        (None, Some(path)) => {
            let template = compose::template(&ModelFiles::open(path)?)?;
            template.with_context(|| format!("{} has no chat template", path.display()))?
        }
        (None, None) => bail!("give --template or --model"),
    };
    let request = RenderRequest::from_openai_json(&request)?;
    let prompt = compose::renderer()?.render(&template, &request).await?;
    output::piece(&prompt)?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &std::path::Path) -> Result<String> {
    let context = || format!("cannot read {}", path.display());
    if fs::metadata(path).with_context(context)?.len() > LONGEST_FILE {
        bail!("{} is too long", path.display());
    }
    fs::read_to_string(path).with_context(context)
}
