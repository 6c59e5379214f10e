//! `rustygpt completions`: the completions of a shell.

use crate::arguments::Arguments;
use crate::output;
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;
use std::process::ExitCode;

pub(crate) fn run(shell: Shell) -> Result<ExitCode> {
    // Written to memory first: the generator panics where a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "rustygpt", &mut script);
    output::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
