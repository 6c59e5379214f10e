//! The table of settings: one row gives a setting its flag, its variable, its place in the file
//! and its line in `config show`.

use super::value::Kind;
use std::sync::LazyLock;

/// Which commands take a setting as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// Every command.
    Global,
    /// Commands that load a model.
    Engine,
    /// The server, and what reports on it.
    Server,
    /// The server and those who talk to one.
    Connection,
    /// No command: file and environment only, because other users can read a command line.
    Hidden,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Its name in the file; the flag has dashes, the variable `RUSTYGPT_` and capitals.
    pub(crate) name: &'static str,
    /// What its values are.
    pub(crate) kind: Kind,
    /// Which commands take it.
    pub(crate) group: Group,
    /// Its value where nothing else is said, as one would write it; `None` is decided later.
    pub(crate) default: Option<&'static str>,
    /// Never shown.
    pub(crate) is_secret: bool,
    /// A variable of other programs that is read too, after our own.
    pub(crate) other_variable: Option<&'static str>,
    /// What the help calls the value.
    pub(crate) value_name: &'static str,
    /// One sentence.
    pub(crate) help: &'static str,
}

impl Key {
    /// The flag, without its leading dashes.
    pub(crate) fn flag(&self) -> &'static str {
        let row = KEYS.iter().position(|key| key.name == self.name);
        row.and_then(|row| FLAGS.get(row))
            .map_or(self.name, String::as_str)
    }

    /// The environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("RUSTYGPT_{}", self.name.to_uppercase())
    }
}

const fn key(
    name: &'static str,
    group: Group,
    kind: Kind,
    value_name: &'static str,
    help: &'static str,
) -> Key {
    Key {
        name,
        kind,
        group,
        default: None,
        is_secret: false,
        other_variable: None,
        value_name,
        help,
    }
}

const fn or(key: Key, default: &'static str) -> Key {
    Key {
        default: Some(default),
        ..key
    }
}

const fn secret(key: Key) -> Key {
    Key {
        is_secret: true,
        ..key
    }
}

const fn also(key: Key, variable: &'static str) -> Key {
    Key {
        other_variable: Some(variable),
        ..key
    }
}

use Group::{Connection, Engine, Global, Hidden, Server};
use Kind::{Choice, Fraction, List, Number, Path, Period, Size, Switch, Text};

/// Every setting there is.
pub(crate) static KEYS: [Key; 48] = [
    key(
        "data_dir",
        Global,
        Path,
        "FOLDER",
        "Where the key, the models and the history are kept",
    ),
    key(
        "models_dir",
        Global,
        Path,
        "FOLDER",
        "Where models are kept [default: <data-dir>/models]",
    ),
    or(
        key(
            "offline",
            Global,
            Switch,
            "BOOL",
            "Never connect to anything outside",
        ),
        "false",
    ),
    key(
        "log",
        Global,
        Text,
        "FILTER",
        "Which log lines to write [default: info to serve, else warn]",
    ),
    or(
        key(
            "log_format",
            Global,
            Choice(&["text", "json"]),
            "FORMAT",
            "How log lines look",
        ),
        "text",
    ),
    or(
        key(
            "host",
            Connection,
            Text,
            "ADDRESS",
            "The address to listen on",
        ),
        "127.0.0.1",
    ),
    or(
        key(
            "port",
            Connection,
            Number(0, 65_535),
            "PORT",
            "The port; 0 takes any free one",
        ),
        "7878",
    ),
    secret(key(
        "api_key",
        Connection,
        Text,
        "KEY",
        "The key clients must send, instead of the one in <data-dir>/api-key",
    )),
    key(
        "model",
        Server,
        List,
        "PATH[=ID]",
        "A model to serve; may be given again",
    ),
    key(
        "alias",
        Server,
        List,
        "NAME=ID",
        "Another name for a model; may be given again",
    ),
    or(
        key(
            "keep_alive",
            Server,
            Period,
            "TIME",
            "How long a model stays in memory that nobody uses: 5m, 0, or forever",
        ),
        "5m",
    ),
    key(
        "pin",
        Server,
        List,
        "ID",
        "A model to load at start and to keep in memory, or 'none'; may be given again [default: \
         those named by --model]",
    ),
    key(
        "model_memory",
        Server,
        Size,
        "SIZE",
        "Memory of all loaded models together, for example 12GiB [default: what is free at start]",
    ),
    key(
        "starter",
        Engine,
        Path,
        "FILE",
        "The built-in model, for when there is no other; 'none' to do without [default: what came with the program]",
    ),
    key(
        "ctx",
        Engine,
        Number(16, 16_777_216),
        "TOKENS",
        "Positions per request [default: what the model was trained for and memory allows]",
    ),
    key(
        "kv_memory",
        Engine,
        Size,
        "SIZE",
        "Memory of a model's key/value cache, for example 4GiB [default: by free memory]",
    ),
    or(
        key(
            "kv_type",
            Engine,
            Choice(&["f32", "f16", "bf16"]),
            "TYPE",
            "Element type of the key/value cache; f32 is exact and takes twice the memory",
        ),
        "f16",
    ),
    or(
        key(
            "device",
            Engine,
            Choice(&["auto", "cpu", "cuda", "metal"]),
            "DEVICE",
            "Where models compute; auto takes a GPU if this program was built for one",
        ),
        "auto",
    ),
    or(
        key(
            "slots",
            Engine,
            Number(1, 1024),
            "COUNT",
            "Sequences that run at once",
        ),
        "8",
    ),
    or(
        key(
            "queue",
            Engine,
            Number(1, 65_536),
            "COUNT",
            "Requests that may wait",
        ),
        "64",
    ),
    key(
        "threads",
        Engine,
        Number(1, 1024),
        "COUNT",
        "Threads that compute [default: one per core]",
    ),
    or(
        key(
            "max_tokens",
            Engine,
            Number(1, 16_777_216),
            "TOKENS",
            "Length of an answer when the request names none",
        ),
        "4096",
    ),
    or(
        key(
            "deterministic",
            Engine,
            Switch,
            "BOOL",
            "The same answer to the last bit on CUDA and Metal too; on the processor it always is",
        ),
        "false",
    ),
    key(
        "prompt_cache",
        Server,
        Path,
        "FOLDER",
        "Keep what was read in this folder, a file for each model, for the next start",
    ),
    or(
        key(
            "prompt_cache_size",
            Server,
            Size,
            "SIZE",
            "How large each of these files may become",
        ),
        "1GiB",
    ),
    key(
        "allowed_host",
        Server,
        List,
        "NAME",
        "A Host header to accept beside our own address; may be given again",
    ),
    key(
        "public_url",
        Server,
        Text,
        "URL",
        "The address clients use, where a proxy stands before us",
    ),
    key(
        "issuer",
        Server,
        List,
        "ISSUER",
        "Who people may sign in by; its secret is named, not written; may be given again",
    ),
    key(
        "trusted_proxy",
        Server,
        List,
        "ADDRESS[/BITS]",
        "A proxy whose X-Forwarded-For is believed; may be given again",
    ),
    key(
        "tls_cert",
        Server,
        Path,
        "FILE",
        "Certificate chain (PEM); serves HTTPS",
    ),
    key(
        "tls_key",
        Server,
        Path,
        "FILE",
        "Private key of the certificate (PEM)",
    ),
    key(
        "cors_origin",
        Server,
        List,
        "ORIGIN",
        "A web page's origin that may call the API; may be given again",
    ),
    or(
        key(
            "open_loopback",
            Server,
            Switch,
            "BOOL",
            "Let programs on this machine list models and have them answer without a key",
        ),
        "false",
    ),
    or(
        key(
            "drain_timeout",
            Server,
            Number(0, 25),
            "SECONDS",
            "How long answers may go on at exit",
        ),
        "20",
    ),
    or(
        key(
            "sign_up",
            Server,
            Choice(&["closed", "invite", "open"]),
            "WHO",
            "Who may make an account: administrators, those with an invitation, everybody",
        ),
        "closed",
    ),
    or(
        key(
            "requests_per_minute",
            Server,
            Number(0, 1_000_000),
            "COUNT",
            "Requests per minute of a key that has no rate of its own; 0 is no limit",
        ),
        "0",
    ),
    or(
        key(
            "attempts_per_minute",
            Server,
            Number(1, 10_000),
            "COUNT",
            "Attempts to sign in per minute and network address",
        ),
        "30",
    ),
    or(
        key(
            "tokens_per_day",
            Server,
            Number(0, 1_000_000_000_000),
            "TOKENS",
            "Tokens per day of a key that has no quota of its own; 0 is no limit",
        ),
        "0",
    ),
    key(
        "temperature",
        Server,
        Fraction(0.0, 2.0),
        "NUMBER",
        "Temperature when the request names none [default: the model's own]",
    ),
    key(
        "top_p",
        Server,
        Fraction(0.01, 1.0),
        "NUMBER",
        "Mass of the likeliest tokens when the request names none [default: the model's own]",
    ),
    or(
        key(
            "keep_sign_ins_days",
            Server,
            Number(0, 36_500),
            "DAYS",
            "Days that sign-ins are kept after their end; 0 is for ever",
        ),
        "30",
    ),
    or(
        key(
            "keep_usage_days",
            Server,
            Number(32, 36_500),
            "DAYS",
            "Days that usage is kept",
        ),
        "400",
    ),
    or(
        key(
            "keep_tasks_days",
            Server,
            Number(0, 36_500),
            "DAYS",
            "Days that tasks are kept after their end; 0 is for ever",
        ),
        "30",
    ),
    or(
        key(
            "keep_audit_days",
            Server,
            Number(0, 36_500),
            "DAYS",
            "Days after which entries of the audit log move to files; 0 is never",
        ),
        "0",
    ),
    secret(also(
        key(
            "database_url",
            Hidden,
            Text,
            "URL",
            "Where accounts and data are kept [default: sqlite:<data-dir>/rustygpt.db]",
        ),
        "DATABASE_URL",
    )),
    or(
        also(
            key(
                "hf_endpoint",
                Hidden,
                Text,
                "URL",
                "Where `pull` finds Hugging Face",
            ),
            "HF_ENDPOINT",
        ),
        "https://huggingface.co",
    ),
    also(
        key(
            "ollama_models",
            Hidden,
            Path,
            "FOLDER",
            "Where Ollama keeps its models",
        ),
        "OLLAMA_MODELS",
    ),
    secret(also(
        key(
            "hf_token",
            Hidden,
            Text,
            "TOKEN",
            "The token `pull` shows to Hugging Face",
        ),
        "HF_TOKEN",
    )),
];

/// The flags' names, made once: clap wants them to live as long as the program.
static FLAGS: LazyLock<Vec<String>> =
    LazyLock::new(|| KEYS.iter().map(|key| key.name.replace('_', "-")).collect());

/// The setting of that name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The name most like `name`, for an error that helps.
pub(crate) fn nearest(name: &str) -> &'static str {
    KEYS.iter()
        .map(|key| key.name)
        .min_by_key(|known| distance(name, known))
        .unwrap_or("host")
}

/// Levenshtein's distance, by the usual single-row dynamic programme.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_setting() {
        for (written, meant) in [
            ("prot", "port"),
            ("kv-memory", "kv_memory"),
            ("modeldir", "models_dir"),
        ] {
            assert_eq!(nearest(written), meant);
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_kind() {
        for key in &KEYS {
            if let Some(default) = key.default {
                key.kind.parse(default).unwrap();
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::HashSet<_> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), KEYS.len());
    }
}
