//! What the commands about accounts share: the store, opened as the person at the machine.

use crate::compose;
use crate::config::Settings;
use crate::output;
use anyhow::Result;
use rustygpt_orchestrator::access::{Caller, Role, Scope};
use rustygpt_orchestrator::accounts::{Accounts, Issuers, Whence};
use rustygpt_orchestrator::tasks::Bell;
use rustygpt_utils::calendar::Date;
use rustygpt_utils::tasks::Tasks;
use std::sync::Arc;

/// The person at the machine and the accounts of its store.
pub(crate) struct Office {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) owner: Caller,
    pub(crate) whence: Whence,
}

/// Opens the store, does `work`, and closes the store again.
///
/// # Errors
/// The store's, and those of `work`.
pub(crate) async fn with_office<T, F>(
    settings: &Settings,
    work: impl FnOnce(Office) -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let tasks = Tasks::new();
    let store = compose::open_store(settings).await?;
    let ending = tasks.cancellation();
    let (issuers, bell) = (Issuers::default(), Bell::default());
    let accounts = compose::accounts(settings, Arc::clone(&store), issuers, &tasks, ending, bell)?;
    let outcome = work(Office {
        accounts,
        owner: Caller::local_owner(),
        whence: Whence {
            user_agent: "command line".to_owned(),
            ..Whence::default()
        },
    })
    .await;
    tasks.cancel();
    tasks.wait().await;
    store.close().await;
    outcome
}

pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::User => "user",
        Role::ReadOnly => "read-only",
    }
}

pub(crate) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Inference => "inference",
        Scope::Read => "read",
        Scope::Write => "write",
        Scope::Admin => "admin",
    }
}

/// A point in time, for people: whole seconds of UTC as `2026-11-21 17:04:31`.
pub(crate) fn when(milliseconds: i64) -> String {
    let seconds = milliseconds.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let Date { year, month, day } = Date::from_unix_days(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Writes rows in columns. What others chose (names, addresses) is shown, never obeyed.
pub(crate) fn table(rows: &[Vec<String>]) -> Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let cell = output::harmless(cell).replace(['\n', '\t'], " ");
            format!("{cell:<width$}")
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        output::line(line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (milliseconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399_999, "2000-02-28 23:59:59"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_795_280_671_000, "2026-11-21 17:04:31"),
            (-1, "1969-12-31 23:59:59"),
        ] {
            assert_eq!(when(milliseconds), text);
        }
    }
}
