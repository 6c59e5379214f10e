//! The command line: which commands there are and what they take.

use crate::config::flags::{ChatFlags, ConnectionFlags, EngineFlags, GlobalFlags, ServeFlags};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use rustygpt_orchestrator::accounts::TaskState;
use std::path::PathBuf;

/// A private AI server: runs models on your own computer and speaks the OpenAI API.
#[derive(Debug, Parser)]
#[command(
    name = "rustygpt",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    /// The configuration file [default: $XDG_CONFIG_HOME/rustygpt/config.toml].
    #[arg(long, global = true, env = "RUSTYGPT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) global: GlobalFlags,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve models over the OpenAI API.
    Serve(ServeArguments),
    /// Talk to a model in the terminal.
    Chat(ChatArguments),
    /// Answer one prompt and exit.
    Run(RunArguments),
    /// List, describe or delete models on this computer.
    Models(ModelsArguments),
    /// Download a model from Hugging Face or a web address.
    Pull(PullArguments),
    /// Show what is in a model file.
    Inspect(InspectArguments),
    /// Turn text into token ids, or back with --decode. Reads standard input.
    Tokenize(TokenizeArguments),
    /// Render a request with a chat template, and print the prompt.
    Template(TemplateArguments),
    /// Print what points a client at this server.
    Env(EnvArguments),
    /// Print a link that lets you into the web page.
    Open(ConnectionFlags),
    /// Manage accounts.
    User {
        #[command(subcommand)]
        action: UserAction,
    },
    /// Manage the keys of accounts.
    Key {
        #[command(subcommand)]
        action: KeyAction,
    },
    /// Look at the audit log.
    Audit {
        #[command(subcommand)]
        action: AuditAction,
    },
    /// Manage work that waits to be done.
    Tasks {
        #[command(subcommand)]
        action: TasksAction,
    },
    /// Bring the store up to date.
    Migrate,
    /// Fill an empty store with demo accounts.
    Seed,
    /// Look for what is wrong, and say what to do about it.
    Doctor(ServeFlags),
    /// Look at the settings.
    Config(ConfigArguments),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Renders chat templates in a process of its own; started by the server.
    #[command(hide = true)]
    RenderWorker,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) flags: ServeFlags,
    /// When ready, print how to point clients here.
    #[arg(long)]
    pub(crate) show_clients: bool,
}

/// Arguments of `chat`.
#[derive(Debug, Args)]
pub(crate) struct ChatArguments {
    /// The model: an id, a file or a folder [default: the only one there is].
    pub(crate) model: Option<String>,
    /// The server to talk to, instead of the one that runs here.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<url::Url>,
    /// Instructions to the model, before the conversation.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    #[command(flatten)]
    pub(crate) sampling: SamplingArguments,
    #[command(flatten)]
    pub(crate) flags: ChatFlags,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The model: an id, a file or a folder.
    pub(crate) model: String,
    /// What to answer; '-' reads standard input.
    pub(crate) prompt: String,
    /// Instructions to the model, before the prompt.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Continue the text as it is, without the model's chat template.
    #[arg(long, conflicts_with = "system")]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) sampling: SamplingArguments,
    #[command(flatten)]
    pub(crate) flags: EngineFlags,
}

/// How the next token is chosen and when an answer ends; its length is the setting `max_tokens`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SamplingArguments {
    /// 0 always takes the likeliest token.
    #[arg(long, value_parser = within::<0, 2>)]
    pub(crate) temperature: Option<f32>,
    /// Take the smallest set of likeliest tokens with this mass.
    #[arg(long, value_parser = within::<0, 1>)]
    pub(crate) top_p: Option<f32>,
    /// Take this many likeliest tokens; 0 takes all.
    #[arg(long)]
    pub(crate) top_k: Option<u32>,
    /// Take tokens at least this fraction as likely as the likeliest.
    #[arg(long, value_parser = within::<0, 1>)]
    pub(crate) min_p: Option<f32>,
    /// Divide the logits of tokens already seen; 1 is neutral.
    #[arg(long, value_parser = within::<0, 10>)]
    pub(crate) repetition_penalty: Option<f32>,
    /// Start of the random numbers: the same seed gives the same text.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// A text that ends the answer; may be given again.
    #[arg(long)]
    pub(crate) stop: Vec<String>,
}

fn within<const LEAST: i16, const MOST: i16>(text: &str) -> Result<f32, String> {
    let expected = || format!("must be a number from {LEAST} to {MOST}");
    let number: f32 = text.parse().map_err(|_| expected())?;
    (f32::from(LEAST)..=f32::from(MOST))
        .contains(&number)
        .then_some(number)
        .ok_or_else(expected)
}

/// Arguments of `models`.
#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    #[command(subcommand)]
    pub(crate) action: Option<ModelsAction>,
}

/// What to do with models on disk.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsAction {
    /// List the models on this computer (the default).
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Describe one model.
    Show {
        /// Its id or path.
        model: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Delete a model from the models folder.
    Delete {
        /// Its id.
        model: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArguments {
    /// `org/name`, `org/name:QUANT` (for example `:Q4_K_M`), or an http(s) address of a file.
    pub(crate) source: String,
    /// The SHA-256 digest the file must have; for addresses.
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
    /// The branch, tag or commit of the repository.
    #[arg(long, default_value = "main")]
    pub(crate) revision: String,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A GGUF file or a Hugging Face directory.
    pub(crate) file: PathBuf,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `tokenize`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("vocabulary").required(true))]
pub(crate) struct TokenizeArguments {
    /// The model whose tokenizer to use; a file with a vocabulary only is enough.
    #[arg(long, value_name = "PATH", group = "vocabulary")]
    pub(crate) model: Option<PathBuf>,
    /// One of OpenAI's encodings, for example o200k_base.
    #[arg(long, value_name = "NAME", group = "vocabulary")]
    pub(crate) encoding: Option<String>,
    /// Read a JSON array of token ids and print the text.
    #[arg(long)]
    pub(crate) decode: bool,
}

/// Arguments of `template`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("origin").required(true))]
pub(crate) struct TemplateArguments {
    /// A chat template in a file of its own.
    #[arg(long, value_name = "FILE", group = "origin")]
    pub(crate) template: Option<PathBuf>,
    /// A model whose chat template to use.
    #[arg(long, value_name = "PATH", group = "origin")]
    pub(crate) model: Option<PathBuf>,
    /// A request as the OpenAI API takes it; may also hold `bos_token` and `eos_token`.
    #[arg(long, value_name = "FILE")]
    pub(crate) request: PathBuf,
}

/// Arguments of `env`.
#[derive(Debug, Args)]
pub(crate) struct EnvArguments {
    /// The client.
    pub(crate) client: Client,
    #[command(flatten)]
    pub(crate) flags: ConnectionFlags,
}

/// A client that `env` knows how to set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Client {
    /// The OpenAI SDKs and everything that reads their variables.
    Openai,
    /// GitHub Copilot CLI and other programs that bring their own key.
    Copilot,
    /// Copilot Chat in VS Code.
    Vscode,
    /// Programs that look for Ollama.
    Ollama,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleChoice {
    /// Administer the server.
    Admin,
    /// Use it.
    User,
    /// Read what is shared with it.
    ReadOnly,
}

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeChoice {
    /// Asking models.
    Inference,
    /// Reading what the account may read.
    Read,
    /// Changing what the account may change.
    Write,
    /// Administering.
    Admin,
}

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum UserAction {
    /// Make an account, and print the code with which its holder sets a password.
    Add {
        /// The e-mail address.
        email: String,
        /// What to call them [default: the address's first part].
        #[arg(long, default_value = "")]
        name: String,
        /// What they may do.
        #[arg(long, value_enum, default_value = "user")]
        role: RoleChoice,
        /// Read their first password from standard input instead.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the accounts.
    List,
    /// Change what somebody may do.
    Role {
        /// The account's address.
        email: String,
        /// What they may do.
        #[arg(value_enum)]
        role: RoleChoice,
    },
    /// Print a code with which somebody sets a new password.
    Reset {
        /// The account's address.
        email: String,
    },
    /// Lock somebody out, at once.
    Disable {
        /// The account's address.
        email: String,
    },
    /// Let somebody in again.
    Enable {
        /// The account's address.
        email: String,
    },
    /// Show what was used, by day, account and model.
    Usage {
        /// Of this account only.
        email: Option<String>,
        /// Of so many days up to today.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
    },
    /// Delete an account and everything that is its own.
    Delete {
        /// The account's address.
        email: String,
    },
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyAction {
    /// Make a key, and print it this once.
    Create {
        /// Whose it is.
        email: String,
        /// What to call it.
        #[arg(long, default_value = "")]
        name: String,
        /// What it is good for; may be given again [default: inference].
        #[arg(long, value_enum)]
        scope: Vec<ScopeChoice>,
        /// After how many days it stops to open [default: never].
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        days: Option<u32>,
        /// Requests per minute [default: the server's setting].
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        requests_per_minute: Option<u32>,
        /// Tokens per day, prompts and answers together [default: no limit].
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        tokens_per_day: Option<u64>,
    },
    /// List somebody's keys.
    List {
        /// Whose.
        email: String,
    },
    /// Revoke a key, at once.
    Revoke {
        /// Its id, as the list shows it.
        id: String,
    },
}

/// What to do with the audit log.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AuditAction {
    /// Read all of it, and say whether anything was changed, cut or moved.
    Verify {
        /// Read this file, an export or an archive, instead of the store.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

fn task_state(name: &str) -> Result<TaskState, String> {
    TaskState::named(name).ok_or_else(|| {
        let names = TaskState::ALL.map(TaskState::name).join(", ");
        format!("there is no such state; there are: {names}")
    })
}

/// What to do with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TasksAction {
    /// List the latest.
    List {
        /// Those in this state: waiting, running, done, dead or cancelled.
        #[arg(long, value_parser = task_state)]
        state: Option<TaskState>,
        /// Those of this kind, for example audit.export.
        #[arg(long)]
        kind: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show one.
    Show {
        /// Its id.
        id: String,
    },
    /// Have a dead or cancelled one tried again.
    Retry {
        /// Its id.
        id: String,
    },
    /// Cancel one.
    Cancel {
        /// Its id.
        id: String,
    },
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Every setting, its value and where it came from.
    Show {
        #[command(flatten)]
        flags: ServeFlags,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change a setting in the store; a server that runs follows at once.
    Set {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// Take a setting out of the store, so that the file or the default counts again.
    Unset {
        /// Its name.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::{Group, KEYS};
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn serve_takes_every_setting_that_is_no_secret_of_others() {
        let mut command = Arguments::command();
        command.build();
        let serve = command.find_subcommand("serve").unwrap();
        for key in KEYS.iter().filter(|key| key.group != Group::Hidden) {
            let is_there = serve
                .get_arguments()
                .any(|a| a.get_long() == Some(key.flag()));
            assert!(is_there, "serve lacks --{}", key.flag());
        }
    }
}
