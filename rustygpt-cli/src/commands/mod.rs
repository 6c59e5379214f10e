//! The commands, one file each. A command reads its arguments, has [`crate::compose`] build what
//! it needs, and writes its answer.

pub(crate) mod accounts;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod models;
pub(crate) mod open;
pub(crate) mod pull;
pub(crate) mod render_worker;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod tasks;
pub(crate) mod template;
pub(crate) mod tokenize;
pub(crate) mod user;
