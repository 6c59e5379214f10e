//! `rustygpt run`: one answer to one prompt.

use crate::arguments::RunArguments;
use crate::config::Settings;
use crate::conversation::{Partner, Piece, Prompt, message};
use crate::{compose, output};
use anyhow::{Context as _, Result};
use rustygpt_model::contract::Role;
use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

pub(crate) async fn run(settings: &Settings, arguments: RunArguments) -> Result<ExitCode> {
    let prompt = if arguments.prompt == "-" {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .context("standard input is not text in UTF-8")?;
        text
    } else {
        arguments.prompt
    };
    let choice = compose::choose_model(settings, &arguments.model)?;
    let model = compose::load_language_model(settings, &choice)?;
    let partner = Partner::Local(model.clone());
    let system = arguments.system.map(|text| message(Role::System, text));
    let messages: Vec<_> = system
        .into_iter()
        .chain([message(Role::User, prompt.clone())])
        .collect();
    let prompt = if arguments.raw {
        Prompt::Text(prompt)
    } else {
        Prompt::Chat(&messages)
    };
    let mut answer = partner
        .ask(prompt, &arguments.sampling, settings.max_tokens)
        .await?;
    let is_terminal = io::stdout().is_terminal();
    loop {
        match answer.next().await? {
            // A terminal must not obey what a model says; a file gets it as it is.
            Piece::Text(text) if is_terminal => output::piece(&output::harmless(&text))?,
            Piece::Text(text) => output::piece(&text)?,
            Piece::Reasoning(_) => {}
            Piece::End { .. } => break,
        }
    }
    output::piece("\n")?;
    drop(answer);
    model.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
