//! The binary `rustygpt`: reads the command line and the settings, has [`compose`] put the parts
//! together and runs one command. It decides nothing about models, requests or answers.

mod api_key;
mod arguments;
mod commands;
mod compose;
mod config;
mod conversation;
mod download;
mod faults;
mod models_on_disk;
mod network;
mod output;
mod private_file;
mod root_secret;
mod secret;
mod server_record;
mod starter;

use anyhow::Result;
use arguments::{Arguments, AuditAction, Command, ConfigAction};
use clap::Parser;
use config::Config;
use config::keys::Key;
use config::value::Value;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::remark(&format!("error: {}", one_line(&error)));
            ExitCode::FAILURE
        }
    }
}

/// The reader of our output went away, which is its right (`rustygpt models | head -1`).
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let is_closed = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(is_closed))
}

/// The error and its causes; a cause that the sentence already holds is not repeated.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !line.contains(&cause) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&cause);
        }
    }
    line
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments {
        config: file,
        global,
        command,
    } = arguments;
    // These two need no settings, and must work where the settings are broken.
    match command {
        Command::RenderWorker => return commands::render_worker::run(),
        Command::Completions { shell } => return commands::completions::run(shell),
        _ => {}
    }
    let gather = |flags: Vec<(&'static Key, Value)>| {
        let flags = global.0.iter().cloned().chain(flags).collect();
        Config::gather(file.as_deref(), &|name| std::env::var_os(name), flags)
    };
    let flags = match &command {
        Command::Serve(arguments) => arguments.flags.0.clone(),
        Command::Doctor(flags)
        | Command::Config(arguments::ConfigArguments {
            action: ConfigAction::Show { flags, .. },
        }) => flags.0.clone(),
        Command::Chat(arguments) => arguments.flags.0.clone(),
        Command::Run(arguments) => arguments.flags.0.clone(),
        Command::Env(arguments) => arguments.flags.0.clone(),
        Command::Open(flags) => flags.0.clone(),
        _ => Vec::new(),
    };
    let gathered = gather(flags);
    if let Command::Doctor(_) = command {
        // Broken settings are the first thing a doctor reports.
        return commands::doctor::run(&gathered);
    }
    let config = gathered?;
    let settings = config.settings()?;
    let level = if matches!(command, Command::Serve(_)) {
        "info"
    } else {
        "warn"
    };
    let filter = settings.log.as_deref().unwrap_or(level);
    rustygpt_utils::telemetry::start(filter, settings.log_format)?;
    // Before the runtime, whose threads would be too many.
    compose::use_threads(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve(arguments) => commands::serve::run(settings, &arguments).await,
            Command::Chat(arguments) => commands::chat::run(&settings, arguments).await,
            Command::Run(arguments) => commands::run::run(&settings, arguments).await,
            Command::Pull(arguments) => commands::pull::run(&settings, arguments).await,
            Command::Template(arguments) => commands::template::run(&arguments).await,
            Command::Models(arguments) => commands::models::run(&settings, arguments),
            Command::Inspect(arguments) => commands::inspect::run(&arguments),
            Command::Tokenize(arguments) => commands::tokenize::run(&arguments),
            Command::Env(arguments) => commands::env::run(&settings, arguments.client),
            Command::Open(_) => commands::open::run(&settings).await,
            Command::User { action } => commands::user::run(&settings, action).await,
            Command::Key { action } => commands::key::run(&settings, action).await,
            Command::Audit {
                action: AuditAction::Verify { file },
            } => commands::store::verify_audit(&settings, file.as_deref()).await,
            Command::Config(arguments) => {
                commands::config::run(&config, &settings, arguments.action).await
            }
            Command::Tasks { action } => commands::tasks::run(&settings, action).await,
            Command::Migrate => commands::store::migrate(&settings).await,
            Command::Seed => commands::store::seed(&settings).await,
            Command::Doctor(_) | Command::Completions { .. } | Command::RenderWorker => {
                Ok(ExitCode::SUCCESS)
            } // answered above, without settings
        }
    });
    // What still runs on blocking threads (a model that loads, a line that is typed) must not keep
    // the process alive.
    runtime.shutdown_background();
    outcome
}
