//! `rustygpt chat`: a conversation in the terminal.

use crate::arguments::{ChatArguments, SamplingArguments};
use crate::config::Settings;
use crate::conversation::{Partner, Piece, Prompt, message};
use crate::secret::Secret;
use crate::{api_key, compose, models_on_disk, output, server_record, starter};
use anyhow::{Context as _, Result, bail};
use rustygpt_model::contract::{Message, Role};
use rustygpt_utils::paths;
use rustygpt_utils::tasks::Tasks;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use url::Host;

const HELP: &str = "\
/clear   forget the conversation
/help    this
/exit    leave (Ctrl-D too)
Ctrl-C   stop the answer";

pub(crate) async fn run(settings: &Settings, arguments: ChatArguments) -> Result<ExitCode> {
    let ChatArguments {
        model,
        url,
        system,
        sampling,
        ..
    } = arguments;
    let partner = partner(settings, url, model).await?;
    output::remark(&format!(
        "talking to {}; /help shows what else there is",
        partner.model()
    ));
    let system = system.map(|text| message(Role::System, text));
    let mut messages: Vec<Message> = system.iter().cloned().collect();
    let tasks = Tasks::new();
    let mut lines = Lines::open(&settings.data_dir)?;
    loop {
        // The editor blocks its thread until a line is typed.
        let (back, line) = tasks.spawn_blocking(move || lines.read()).await?;
        lines = back;
        let line = match line? {
            None => break,
            Some(line) => line,
        };
        match line.trim() {
            "" => continue,
            "/exit" | "/quit" => break,
            "/help" => output::remark(HELP),
            "/clear" => messages = system.iter().cloned().collect(),
            command if command.starts_with('/') => {
                output::remark(&format!("there is no {command}; /help shows what there is"));
            }
            text => {
                messages.push(message(Role::User, text));
                match answer(&partner, &messages, &sampling, settings.max_tokens).await {
                    Ok(text) => messages.push(message(Role::Assistant, text)),
                    Err(error) if error.downcast_ref::<io::Error>().is_some() => return Err(error),
                    Err(error) => {
                        // The question may be asked again, in other words.
                        messages.pop();
                        output::remark(&format!("error: {error:#}"));
                    }
                }
            }
        }
    }
    lines.save();
    if let Partner::Local(model) = partner {
        model.shutdown().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Who to talk to: the server that was named, a model that was named by its path, the server that
/// runs here, else a model from this disk.
async fn partner(
    settings: &Settings,
    url: Option<url::Url>,
    model: Option<String>,
) -> Result<Partner> {
    let key = || match &settings.api_key {
        Some(key) => key.reveal().map(Some),
        None => api_key::read(&settings.key_file()),
    };
    if let Some(url) = url {
        let is_here = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if settings.offline && !is_here {
            bail!("{url} is not on this computer, and the setting offline forbids the network");
        }
        // The key in our file is for the server that runs here, not for any other.
        let key = settings.api_key.as_ref().map(Secret::reveal).transpose()?;
        return Partner::at(url, key, model).await;
    }
    let is_path = model
        .as_ref()
        .is_some_and(|model| Path::new(model).exists());
    if !is_path && let Some(url) = server_record::running(&settings.data_dir) {
        return Partner::at(url, key()?, model).await;
    }
    let choice = match model {
        Some(name) => compose::choose_model(settings, &name)?,
        None => {
            let mut found = models_on_disk::in_folder(&settings.models_dir);
            match found.len() {
                0 => starter::find(settings).with_context(|| {
                    format!(
                        "there is no model in {}; get one: rustygpt pull \
                         Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M",
                        settings.models_dir.display()
                    )
                })?,
                1 => found.remove(0),
                _ => bail!("say which model: rustygpt chat MODEL   (rustygpt models lists them)"),
            }
        }
    };
    Ok(Partner::Local(compose::load_language_model(
        settings, &choice,
    )?))
}

/// Shows an answer as it comes. Ctrl-C ends it; what was said until then counts.
async fn answer(
    partner: &Partner,
    messages: &[Message],
    sampling: &SamplingArguments,
    max_tokens: u32,
) -> Result<String> {
    let mut answer = partner
        .ask(Prompt::Chat(messages), sampling, max_tokens)
        .await?;
    let mut text = String::new();
    let is_terminal = io::stdout().is_terminal();
    loop {
        let piece = tokio::select! {
            piece = answer.next() => piece?,
            _ = tokio::signal::ctrl_c() => {
                output::piece("\n")?;
                output::remark("(stopped)");
                return Ok(text);
            }
        };
        match piece {
            Piece::Text(piece) => {
                let shown = if is_terminal {
                    output::harmless(&piece)
                } else {
                    piece.clone()
                };
                output::piece(&shown)?;
                text.push_str(&piece);
            }
            Piece::Reasoning(_) => {}
            Piece::End { is_cut } => {
                output::piece("\n")?;
                if is_cut {
                    output::remark("(the answer was cut; --max-tokens allows longer ones)");
                }
                return Ok(text);
            }
        }
    }
}

/// The lines a person types, with history.
struct Lines {
    editor: DefaultEditor,
    history: PathBuf,
    is_terminal: bool,
}

impl Lines {
    fn open(data_dir: &Path) -> Result<Self> {
        let mut editor = DefaultEditor::new()?;
        let history = data_dir.join("chat-history");
        // There is none before the first conversation.
        drop(editor.load_history(&history));
        Ok(Self {
            editor,
            history,
            is_terminal: io::stdin().is_terminal(),
        })
    }

    /// The next line; `None` at the end. Gives itself back, for it is used on other threads.
    fn read(mut self) -> (Self, Result<Option<String>>) {
        let prompt = if self.is_terminal { "> " } else { "" };
        let line = match self.editor.readline(prompt) {
            Ok(line) => {
                drop(self.editor.add_history_entry(line.as_str()));
                Ok(Some(line))
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
            Err(error) => Err(error.into()),
        };
        (self, line)
    }

    fn save(&mut self) {
        if !self.is_terminal {
            return;
        }
        let folder = self.history.parent().map(paths::create_private_folder);
        if folder.is_some_and(|made| made.is_ok())
            && self.editor.save_history(&self.history).is_ok()
        {
            return;
        }
        tracing::warn!(path = %self.history.display(), "the history could not be kept");
    }
}
