//! Settings as flags of the command line, built from the table of settings.

use super::keys::{Group, KEYS, Key};
use super::value::{Kind, Value};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// The settings of some groups that were given as flags. `GROUPS` is a sum of [`GLOBAL`],
/// [`ENGINE`], [`CONNECTION`] and [`SERVER`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags<const GROUPS: u8>(pub(crate) Vec<(&'static Key, Value)>);

pub(crate) const GLOBAL: u8 = 1;
pub(crate) const ENGINE: u8 = 2;
pub(crate) const CONNECTION: u8 = 4;
pub(crate) const SERVER: u8 = 8;

/// Flags that every command takes.
pub(crate) type GlobalFlags = Flags<GLOBAL>;
/// Flags of commands that load a model.
pub(crate) type EngineFlags = Flags<ENGINE>;
/// Flags of commands that talk to a server.
pub(crate) type ConnectionFlags = Flags<CONNECTION>;
/// Flags of the server.
pub(crate) type ServeFlags = Flags<{ SERVER + CONNECTION + ENGINE }>;
/// Flags of commands that talk to a server or load a model.
pub(crate) type ChatFlags = Flags<{ CONNECTION + ENGINE }>;

fn keys(groups: u8) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| {
        let group = match key.group {
            Group::Global => GLOBAL,
            Group::Engine => ENGINE,
            Group::Connection => CONNECTION,
            Group::Server => SERVER,
            Group::Hidden => 0,
        };
        group & groups != 0
    })
}

impl<const GROUPS: u8> Args for Flags<GROUPS> {
    fn augment_args(command: Command) -> Command {
        keys(GROUPS).fold(command, |command, key| command.arg(argument(key)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const GROUPS: u8> FromArgMatches for Flags<GROUPS> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Vec::new();
        for key in keys(GROUPS) {
            let Some(values) = matches.get_many::<Value>(key.name) else {
                continue;
            };
            let given = values.cloned().reduce(|sum, value| match (sum, value) {
                (Value::List(mut sum), Value::List(value)) => {
                    sum.extend(value);
                    Value::List(sum)
                }
                (_, value) => value,
            });
            flags.extend(given.map(|value| (key, value)));
        }
        Ok(Self(flags))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn argument(key: &'static Key) -> Arg {
    let help = match key.default {
        Some(default) => format!("{} [default: {default}]", key.help),
        None => key.help.to_owned(),
    };
    let argument = Arg::new(key.name)
        .long(key.flag())
        .value_name(key.value_name)
        .help(help)
        .global(key.group == Group::Global)
        .value_parser(move |text: &str| key.kind.parse(text));
    match key.kind {
        Kind::List => argument.action(ArgAction::Append),
        // `--offline` and `--offline=false`, but never the word that follows.
        Kind::Switch => argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        // `--keep-alive -1`.
        Kind::Period => argument.allow_hyphen_values(true),
        _ => argument,
    }
}
