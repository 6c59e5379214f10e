//! Work that outlives the process which asked for it.
//!
//! A [`Job`] is a kind of work with its typed payload; [`Handlers`] knows the kinds of this server;
//! the [`Worker`] takes tasks from the queue of the store, runs them and keeps what became of them.
//! [`Recurring`] work comes by schedule. One file each: [`Retention`], [`AuditExport`].
//!
//! Invariant: a job may be run again at any point, by another process: what it does outside the
//! store it does once per [`Run::key`].

mod audit_export;
mod audit_files;
mod bell;
mod job;
mod retention;
mod schedules;
mod statistics;
mod worker;

pub use audit_export::AuditExport;
pub use audit_files::{AuditFile, AuditFiles};
pub use bell::Bell;
pub use job::{Handlers, Job, JobError, Run, new_task};
pub use retention::{Keeper, Retention};
pub use schedules::Recurring;
pub use statistics::{KindStatistics, Statistics};
pub use worker::{Worker, WorkerBounds, WorkerParts};

#[cfg(test)]
mod tests;
