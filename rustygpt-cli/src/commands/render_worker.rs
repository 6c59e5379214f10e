//! `rustygpt render-worker`, hidden: the process in which chat templates are rendered, with
//! bounded time and memory.

use anyhow::Result;
use std::process::ExitCode;

pub(crate) fn run() -> Result<ExitCode> {
    rustygpt_model::prompt::serve_render_process()?;
    Ok(ExitCode::SUCCESS)
}
