//! Forgetting what has ended, after the time that the settings give it.

use super::audit_files::AuditFiles;
use super::job::{Job, JobError, Run};
use crate::settings::{Keeping, Layers};
use rustygpt_db::store::{
    Act, AuditFilter, AuditHead, Outcome, Principal, Store, StoreResult, Timestamp,
};
use rustygpt_utils::clock::Clock;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What jobs that keep the store in order work with.
pub struct Keeper {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// What was said of the settings outside the store.
    pub settings: Layers,
    /// Where files of the audit log lie.
    pub files: AuditFiles,
}

/// Forgets what has ended: codes, sign-ins, refresh tokens, usage, tasks. Old entries of the audit
/// log leave the store only where the settings say so, and never before a file that holds them was
/// written, read back and verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {}

/// How many of each were forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Forgotten {
    codes: u64,
    sign_ins: u64,
    refresh_tokens: u64,
    usage_days: u64,
    tasks: u64,
}

impl Job for Retention {
    type World = Keeper;
    const KIND: &'static str = "retention";

    async fn run(self, keeper: Arc<Keeper>, run: Run) -> Result<(), JobError> {
        let store = keeper.store.as_ref();
        let now = Timestamp::now(keeper.clock.as_ref());
        let policy = keeper.settings.policy(&store.settings().await?);
        let forgotten = forget(store, policy.keeping, now).await?;
        if forgotten != Forgotten::default() {
            let mut act = Act::new(Principal::Server, now, "retention.forget", "store");
            act.detail = json!(forgotten).to_string();
            store.append_audit(&act, Outcome::Done).await?;
        }
        if run.ending.is_cancelled() {
            return Err(JobError::Stopped);
        }
        match policy.keeping.audit {
            Some(kept) => keeper.archive(now.minus(kept), now, &run.ending).await,
            None => Ok(()),
        }
    }
}

async fn forget(store: &dyn Store, keeping: Keeping, now: Timestamp) -> StoreResult<Forgotten> {
    let mut forgotten = Forgotten {
        codes: store.prune_codes(now).await?,
        ..Forgotten::default()
    };
    if let Some(kept) = keeping.sign_ins {
        let before = now.minus(kept);
        forgotten.sign_ins = store.prune_sessions(before).await?;
        forgotten.refresh_tokens = store.prune_refresh_tokens(before).await?;
    }
    if let Some(kept) = keeping.usage {
        forgotten.usage_days = store.prune_usage(now.minus(kept)).await?;
    }
    if let Some(kept) = keeping.tasks {
        forgotten.tasks = store.prune_tasks(now.minus(kept)).await?;
    }
    Ok(forgotten)
}

impl Keeper {
    /// Moves the beginning of the audit log, as far as all of it is older than `before`, into a
    /// file. What follows in the store verifies as before, and begins where the file ends.
    async fn archive(
        &self,
        before: Timestamp,
        now: Timestamp,
        ending: &CancellationToken,
    ) -> Result<(), JobError> {
        let store = self.store.as_ref();
        let whole = store.audit_head().await?;
        let Some((through, hash)) = last_older(store, &whole, before).await? else {
            return Ok(());
        };
        let part = AuditHead {
            last: through,
            last_hash: hash,
            ..whole
        };
        let name = format!("archive-{}-{through}.jsonl", whole.pruned.saturating_add(1));
        self.files.write(store, &name, &part, ending).await?;
        let mut act = Act::new(Principal::Server, now, "audit.archive", "audit");
        act.detail = json!({ "file": name, "through": through }).to_string();
        store.prune_audit(through, hash, &act).await?;
        Ok(())
    }
}

/// The last entry of the chain's beginning in which every entry is older than `before`: a clock
/// that was set back must not tear a hole.
async fn last_older(
    store: &dyn Store,
    whole: &AuditHead,
    before: Timestamp,
) -> StoreResult<Option<(i64, [u8; 32])>> {
    let mut last = None;
    let mut after = whole.pruned;
    loop {
        let filter = AuditFilter::next_after(after);
        let entries = store.audit_entries(Principal::Server, &filter).await?;
        for entry in &entries {
            if entry.at >= before {
                return Ok(last);
            }
            last = Some((entry.sequence, entry.hash));
        }
        match entries.last() {
            Some(entry) => after = entry.sequence,
            None => return Ok(last),
        }
    }
}
