//! The audit log as files, for administrators.

use super::{Accounts, Task, TaskId, Whence, as_admin};
use crate::UseCaseError;
use crate::access::{Action, Caller, Thing, authorize};
use crate::tasks::{AuditExport, AuditFile, new_task};
use rustygpt_db::store::Outcome;

impl Accounts {
    /// Has the audit log written into a file, `export-ID.jsonl` with the id of the task that does
    /// it. Who asked stands in the log.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn export_audit(
        &self,
        caller: &Caller,
        whence: &Whence,
    ) -> Result<Task, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Audit)?;
        let by = as_admin(caller);
        let id = TaskId(self.new_id()?);
        let mut act = self.act(by, whence, "audit.export", format_args!("task:{id}"));
        act.tasks = vec![new_task(&AuditExport {}, id, act.at)?];
        self.store.append_audit(&act, Outcome::Done).await?;
        self.bell.ring();
        let task = self.store.task(by, id).await?;
        task.ok_or(UseCaseError::NotFound("task"))
    }

    /// The files there are: exports, and archives of what has left the store.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn audit_files(&self, caller: &Caller) -> Result<Vec<AuditFile>, UseCaseError> {
        authorize(caller, Action::View, Thing::Audit)?;
        let files = self.audit_files.list().await;
        files.map_err(|error| UseCaseError::Internal(Box::new(error)))
    }

    /// Opens one of the files.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`], [`UseCaseError::NotFound`].
    pub async fn open_audit_file(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<tokio::fs::File, UseCaseError> {
        authorize(caller, Action::View, Thing::Audit)?;
        let file = self.audit_files.open(name).await;
        let file = file.map_err(|error| UseCaseError::Internal(Box::new(error)))?;
        file.ok_or(UseCaseError::NotFound("file"))
    }
}
