//! Puts the parts together: the only place that constructs concrete things.

use crate::config::Settings;
use crate::faults::ModelFact;

/// The models that `serve` would find, opened to see whether they are whole.
pub(crate) fn model_facts(_settings: &Settings) -> Vec<ModelFact> {
    Vec::new()
}

/// Bytes that a new process may use.
pub(crate) fn available_memory() -> Option<u64> {
    None
}
