//! Downloads: where a model comes from ([`origin`]), which files it has ([`hub`]) and how one file
//! gets here whole ([`transfer`]).
//!
//! Nothing here trusts the other side: names are checked before they become paths, digests before
//! a file gets its name, and no credential follows a redirect to another host.

pub(crate) mod hub;
pub(crate) mod origin;
pub(crate) mod requests;
pub(crate) mod transfer;
