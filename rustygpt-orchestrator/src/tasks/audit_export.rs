//! Writing the audit log into a file, because an administrator asked for it.

use super::job::{Job, JobError, Run};
use super::retention::Keeper;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Writes the audit log, as it is when this runs, into a file named by the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditExport {}

impl Job for AuditExport {
    type World = Keeper;
    const KIND: &'static str = "audit.export";
    /// Somebody waits for it.
    const PRIORITY: i32 = 10;

    async fn run(self, keeper: Arc<Keeper>, run: Run) -> Result<(), JobError> {
        let store = keeper.store.as_ref();
        let whole = store.audit_head().await?;
        let name = format!("export-{}.jsonl", run.task);
        keeper.files.write(store, &name, &whole, &run.ending).await
    }
}
