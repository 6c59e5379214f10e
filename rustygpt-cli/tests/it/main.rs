//! The binary, run as people run it: in folders of its own, on free ports, without the network.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests stand outside test functions"
)]

mod accounts;
mod canary;
mod chat;
mod command;
mod config;
mod doctor;
mod env;
mod hub;
mod models;
mod pull;
mod residency;
mod run;
mod serve;
mod settings;
mod starter;
mod template;
mod tokenize;
