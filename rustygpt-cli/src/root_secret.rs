//! The server's root secret, in a file beside the store: one line of 64 hexadecimal digits, and
//! below it, after a change, those that were there before.

use crate::private_file;
use anyhow::{Context as _, Result, bail};
use rustygpt_orchestrator::accounts::{ROOT_BYTES, RootSecrets};
use rustygpt_utils::random;
use std::path::Path;

/// Reads the secrets, or makes one if there is none yet.
///
/// # Errors
/// A file that others can read, or that holds something else.
pub(crate) fn read_or_create(path: &Path) -> Result<RootSecrets> {
    let text = match private_file::read(path)? {
        Some(text) => text,
        None => {
            let secret = random::bytes::<ROOT_BYTES>()?;
            let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            private_file::create(path, &format!("{digits}\n"))?
        }
    };
    parse(&text).with_context(|| {
        format!(
            "{} must hold lines of 64 hexadecimal digits",
            path.display()
        )
    })
}

fn parse(text: &str) -> Result<RootSecrets> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut secrets = lines.map(secret).collect::<Result<Vec<_>>>()?.into_iter();
    let current = secrets.next().context("there is no secret in it")?;
    Ok(RootSecrets::new(current, secrets))
}

fn secret(line: &str) -> Result<[u8; ROOT_BYTES]> {
    if line.len() != 2 * ROOT_BYTES || !line.is_ascii() {
        bail!("a line has another length");
    }
    let mut bytes = [0; ROOT_BYTES];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&line[2 * place..2 * place + 2], 16)
            .map_err(|_| anyhow::anyhow!("a line holds something else"))?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_made_once_and_former_ones_stay_known() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("data/root-secret");
        let first = read_or_create(&path).unwrap();
        let sealed = first.seal("x", b"text").unwrap();
        let again = read_or_create(&path).unwrap();
        assert_eq!(again.open("x", &sealed).unwrap(), b"text");
        let rotated = format!(
            "{}\n{}",
            "0a".repeat(32),
            std::fs::read_to_string(&path).unwrap()
        );
        let rotated = parse(&rotated).unwrap();
        assert_eq!(rotated.open("x", &sealed).unwrap(), b"text");
        for wrong in ["", "\n", "00", &"0g".repeat(32), &"é".repeat(32)] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
