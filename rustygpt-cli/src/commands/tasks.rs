//! `rustygpt tasks`: the queue of work that outlives a process.

use super::accounts::{Office, table, when, with_office};
use crate::arguments::TasksAction;
use crate::config::Settings;
use crate::output;
use anyhow::{Context as _, Result};
use rustygpt_orchestrator::accounts::{Page, Task, TaskFilter, TaskId};
use std::process::ExitCode;

pub(crate) async fn run(settings: &Settings, action: TasksAction) -> Result<ExitCode> {
    with_office(settings, |office| act(office, action)).await?;
    Ok(ExitCode::SUCCESS)
}

async fn act(office: Office, action: TasksAction) -> Result<()> {
    let Office {
        accounts,
        owner,
        whence,
    } = office;
    match action {
        TasksAction::List { state, kind, limit } => {
            let filter = TaskFilter { state, kind };
            let page = Page { offset: 0, limit };
            let tasks = accounts.list_tasks(&owner, &filter, page).await?;
            let rows: Vec<Vec<String>> = tasks.into_iter().map(row).collect();
            table(&rows)
        }
        TasksAction::Show { id } => {
            let task = accounts.find_task(&owner, task_id(&id)?).await?;
            let payload = output::harmless(&task.payload);
            let error = task.last_error.as_deref().map(output::harmless);
            table(&[row(task)])?;
            output::line(&format!("payload: {payload}"))?;
            if let Some(error) = error {
                output::line(&format!("last error: {error}"))?;
            }
            Ok(())
        }
        TasksAction::Retry { id } => table(&[row(accounts
            .retry_task(&owner, task_id(&id)?, &whence)
            .await?)]),
        TasksAction::Cancel { id } => table(&[row(accounts
            .cancel_task(&owner, task_id(&id)?, &whence)
            .await?)]),
    }
}

fn task_id(text: &str) -> Result<TaskId> {
    let id = text
        .parse()
        .with_context(|| format!("'{text}' is no id of a task"))?;
    Ok(TaskId(id))
}

fn row(task: Task) -> Vec<String> {
    vec![
        task.id.to_string(),
        task.kind,
        task.state.name().to_owned(),
        format!("attempt {} of {}", task.attempts, task.max_attempts),
        format!("due {}", when(task.run_at.0)),
    ]
}
