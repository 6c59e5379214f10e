//! The audit log, or a beginning of it, as a file that outlives the store: one JSON object per line.
//!
//! The first line tells where this part of the chain begins and ends, every further line is one
//! entry with its hash. A file verifies by itself; two files belong together when one ends where the
//! other begins.

use crate::audit_chain::{ChainVerifier, Verified};
use crate::store::{AuditEntry, AuditHead, Outcome, Timestamp};
use crate::words::{self, Word};
use serde_json::{Value, json};
use std::io::{self, BufRead};

/// What the first line says it is.
const FORMAT: &str = "rustygpt audit log, version 1";
/// Longest line that is read. Entries are a few hundred bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// Why a file is no audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditFileError {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[from] io::Error),
    /// A line is not what it should be.
    #[error("line {line} is no {expected} of an audit log")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What it should be.
        expected: &'static str,
    },
}

/// The first line, with its end.
#[must_use]
pub fn head_line(head: &AuditHead) -> String {
    let line = json!({
        "format": FORMAT,
        "after": head.pruned,
        "after_hash": hex(&head.pruned_hash),
        "last": head.last,
        "last_hash": hex(&head.last_hash),
    });
    format!("{line}\n")
}

/// The line of an entry, with its end.
#[must_use]
pub fn entry_line(entry: &AuditEntry) -> String {
    let line = json!({
        "sequence": entry.sequence,
        "at": entry.at.0,
        "principal": words::principal_word(entry.by),
        "account": entry.by.account().map(|id| id.to_string()),
        "action": entry.action,
        "object": entry.object,
        "outcome": entry.outcome.word(),
        "request": entry.request,
        "address": entry.address,
        "detail": entry.detail,
        "previous": hex(&entry.previous),
        "hash": hex(&entry.hash),
    });
    format!("{line}\n")
}

/// Reads a whole file and verifies its part of the chain.
///
/// # Errors
/// [`AuditFileError`] for what is no audit log at all; a broken chain is an answer, not an error.
pub fn verify(mut file: impl BufRead) -> Result<Verified, AuditFileError> {
    let mut text = String::new();
    let mut number = 1;
    read_line(&mut file, &mut text)?;
    let no_head = AuditFileError::Line {
        line: 1,
        expected: "head",
    };
    let head = read_head(&text).ok_or(no_head)?;
    let mut verifier = ChainVerifier::new(&head);
    let mut verified = Verified {
        entries: 0,
        head,
        fault: None,
    };
    while read_line(&mut file, &mut text)? {
        number += 1;
        let Some(entry) = read_entry(&text) else {
            return Err(AuditFileError::Line {
                line: number,
                expected: "entry",
            });
        };
        verified.entries += 1;
        if let Err(fault) = verifier.check(&entry) {
            verified.fault = Some(fault);
            return Ok(verified);
        }
    }
    verified.fault = verifier.finish(&head).err();
    Ok(verified)
}

/// Reads the next line; whether there was one.
fn read_line(file: &mut impl BufRead, text: &mut String) -> io::Result<bool> {
    text.clear();
    let mut bounded = io::Read::take(file, LONGEST_LINE);
    Ok(bounded.read_line(text)? > 0)
}

fn read_head(text: &str) -> Option<AuditHead> {
    let line: Value = serde_json::from_str(text).ok()?;
    (line["format"] == FORMAT).then_some(())?;
    Some(AuditHead {
        pruned: line["after"].as_i64()?,
        pruned_hash: unhex(&line["after_hash"])?,
        last: line["last"].as_i64()?,
        last_hash: unhex(&line["last_hash"])?,
    })
}

fn read_entry(text: &str) -> Option<AuditEntry> {
    let line: Value = serde_json::from_str(text).ok()?;
    let field = |name: &str| line[name].as_str().map(str::to_owned);
    let account = match &line["account"] {
        Value::Null => None,
        id => Some(id.as_str()?.parse().ok()?),
    };
    Some(AuditEntry {
        sequence: line["sequence"].as_i64()?,
        at: Timestamp(line["at"].as_i64()?),
        by: words::principal(line["principal"].as_str()?, account).ok()?,
        action: field("action")?,
        object: field("object")?,
        outcome: Outcome::parse(line["outcome"].as_str()?).ok()?,
        request: field("request")?,
        address: field("address")?,
        detail: field("detail")?,
        previous: unhex(&line["previous"])?,
        hash: unhex(&line["hash"])?,
    })
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(value: &Value) -> Option<[u8; 32]> {
    let text = value.as_str().filter(|text| text.len() == 64)?;
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit_chain::AuditFault;

    #[test]
    fn what_is_no_log_is_named_by_its_line() {
        let line = |text: &str| match verify(text.as_bytes()) {
            Err(AuditFileError::Line { line, .. }) => line,
            other => panic!("{text}: {other:?}"),
        };
        let head = head_line(&AuditHead {
            pruned: 0,
            pruned_hash: [0; 32],
            last: 1,
            last_hash: [1; 32],
        });
        for text in ["", "\n", "{}", "[]", "nonsense", "{\"format\":\"x\"}\n"] {
            assert_eq!(line(text), 1);
        }
        assert_eq!(line(&format!("{head}{{}}\n")), 2);
        assert_eq!(line(&format!("{head}\n")), 2);
        let cut = verify(head.as_bytes()).unwrap();
        let expected = AuditFault::WrongEnd {
            expected: 1,
            found: 0,
        };
        assert_eq!(cut.fault, Some(expected));
    }
}
