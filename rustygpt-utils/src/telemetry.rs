//! Log lines, on standard error, so that standard output belongs to the program's answer.

use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// Logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error("the log filter '{filter}' is invalid: {source}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was started before.
    #[error("logging is already running")]
    AlreadyRunning,
}

/// Starts logging for the whole process. `filter` is a level (`info`) or a list of
/// `target=level` directives as `tracing_subscriber` reads them.
///
/// From now on a panic is told as a log line that says where it happened and not what it said:
/// messages of panics quote the text that was being cut or parsed, which may be somebody's prompt
/// or password.
///
/// # Errors
/// [`LogError`] for an invalid filter or a second start.
pub fn start(filter: &str, format: LogFormat) -> Result<(), LogError> {
    let invalid = |source| LogError::Filter {
        filter: filter.to_owned(),
        source,
    };
    let filter = EnvFilter::try_new(filter).map_err(invalid)?;
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_span_events(FmtSpan::NONE)
        .with_env_filter(filter);
    let outcome = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    outcome.map_err(|_| LogError::AlreadyRunning)?;
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        tracing::error!(
            place = panic.location().map(tracing::field::display),
            thread = thread.name(),
            "panicked"
        );
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_filter_is_named() {
        let error = start("rustygpt=loudly", LogFormat::Text).unwrap_err();
        assert!(error.to_string().contains("'rustygpt=loudly'"), "{error}");
    }
}
