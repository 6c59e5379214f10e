//! What `doctor` looks for. [`Facts`] is what was found on this machine; every fault is a pure
//! function of it, so that a test can have any machine it likes.

pub(crate) mod certificate;
mod facts;
mod known;

pub(crate) use facts::{Facts, ModelFact};
pub(crate) use known::FAULTS;

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The server would not start, or not be safe.
    Error,
    /// Something will be slow or surprising.
    Warning,
}

/// A fault that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What is wrong, with the names and numbers of this machine.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

/// A fault that `doctor` knows.
pub(crate) struct Fault {
    /// Its name, for scripts and for the documentation.
    pub(crate) name: &'static str,
    /// Finds it, if it is there.
    pub(crate) find: fn(&Facts) -> Option<Finding>,
}

/// Every fault that is there, with its name.
pub(crate) fn findings(facts: &Facts) -> Vec<(&'static str, Finding)> {
    FAULTS
        .iter()
        .filter_map(|fault| Some((fault.name, (fault.find)(facts)?)))
        .collect()
}
