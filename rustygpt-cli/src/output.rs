//! Standard output, which belongs to a command's answer.

use std::io::{self, StdoutLock, Write};

/// The locked standard output.
pub(crate) fn stdout() -> StdoutLock<'static> {
    io::stdout().lock()
}

/// Writes one line and hands it to the reader at once.
///
/// # Errors
/// The operating system's; a closed pipe is [`io::ErrorKind::BrokenPipe`].
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = stdout();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes a piece of text as it is and hands it to the reader at once.
///
/// # Errors
/// As [`line()`].
pub(crate) fn piece(text: &str) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes one line for the person, on standard error. That it cannot be read is no error.
pub(crate) fn remark(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// The text with everything that could steer a terminal replaced: what a model or a file says is
/// shown, never obeyed.
pub(crate) fn harmless(text: &str) -> String {
    let replaced = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(replaced).collect()
}

/// Bytes as a person reads them.
pub(crate) fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (4 << 30, "4.0 GiB"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }

    #[test]
    fn escape_sequences_are_shown_not_obeyed() {
        assert_eq!(harmless("a\u{1b}[2Jb\r\n"), "a\u{fffd}[2Jb\u{fffd}\n");
    }
}
