//! The helper process: what it is told, what it answers, and its main.

use super::RenderRequest;
use super::environment::STEPS;
use super::render::Rendering;
use crate::contract::ModelError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io::{self, Read, Write};

/// Written once, when the helper is ready. What its program may have printed before is skipped.
pub(super) const READY: &[u8; 16] = b"\0render-worker\x01\0";
/// Longest message either way, in bytes.
pub(super) const FRAME_LIMIT: usize = 32 * 1024 * 1024;
/// Templates a helper keeps compiled.
const KEPT_TEMPLATES: usize = 8;
/// Part of the memory limit that stays for the program's own code and stacks.
const CODE_BYTES: u64 = 16 * 1024 * 1024;

/// One order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// Memory the helper may use, in bytes. The first order decides.
    pub(super) memory_bytes: u64,
    /// Names the template.
    pub(super) hash: u64,
    /// The template's text, unless this helper has it.
    pub(super) source: Option<String>,
    /// The special tokens.
    pub(super) tokens: Map<String, Value>,
    /// Seconds since 1970.
    pub(super) now: i64,
    /// What to render.
    pub(super) request: RenderRequest,
}

/// The answer to an order: the text, or why there is none.
pub(super) type Answer = Result<String, String>;

/// What the parent and the helper both know of the templates the helper has: the same rule of
/// forgetting on both sides keeps them in step without a word.
#[derive(Debug)]
pub(super) struct Recent<T> {
    entries: Vec<(u64, T)>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<T> Recent<T> {
    /// The entry of this name, now the latest.
    pub(super) fn touch(&mut self, hash: u64) -> Option<&T> {
        let at = self.entries.iter().position(|(known, _)| *known == hash)?;
        let entry = self.entries.remove(at);
        self.entries.push(entry);
        self.entries.last().map(|(_, value)| value)
    }

    /// Adds an entry; the one longest unused makes room.
    pub(super) fn insert(&mut self, hash: u64, value: T) {
        if self.entries.len() >= KEPT_TEMPLATES {
            self.entries.remove(0);
        }
        self.entries.push((hash, value));
    }
}

/// The helper process's main: answers orders on standard input until that is closed, within the
/// memory that the first order allows. The parent kills it at the time limit.
///
/// On Linux the limit covers all private writable memory; macOS knows no such limit and is left
/// with the bounds on steps, output and time.
///
/// # Errors
/// When standard input or output breaks.
pub fn serve_render_process() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    output.write_all(READY)?;
    output.flush()?;
    let mut known: Recent<Result<Rendering, String>> = Recent::default();
    let mut is_limited = false;
    while let Some(frame) = read_frame(&mut input)? {
        let order: Order = serde_json::from_slice(&frame)?;
        drop(frame);
        if !is_limited {
            limit_memory(order.memory_bytes)?;
            is_limited = true;
        }
        let answer = answer(&mut known, &order);
        drop(order);
        let bytes = serde_json::to_vec(&answer)?;
        drop(answer);
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        output.write_all(&length.to_le_bytes())?;
        output.write_all(&bytes)?;
        output.flush()?;
    }
    Ok(())
}

fn answer(known: &mut Recent<Result<Rendering, String>>, order: &Order) -> Answer {
    if let Some(source) = &order.source {
        known.insert(
            order.hash,
            Rendering::new(source, STEPS).map_err(|error| message(&error)),
        );
    }
    let Some(rendering) = known.touch(order.hash) else {
        return Err("the helper process lost the template".to_owned());
    };
    rendering
        .as_ref()
        .map_err(Clone::clone)?
        .render(&order.request, &order.tokens, order.now)
        .map_err(|error| message(&error))
}

/// The message inside a template error: the parent wraps it again.
fn message(error: &ModelError) -> String {
    match error {
        ModelError::Template { message } => message.clone(),
        other => other.to_string(),
    }
}

/// Reads a length (4 bytes, little endian) and as many bytes; `None` at the end of input.
fn read_frame(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
    if length > FRAME_LIMIT {
        return Err(io::Error::other("the order is too long"));
    }
    let mut frame = vec![0; length];
    input.read_exact(&mut frame)?;
    Ok(Some(frame))
}

fn limit_memory(memory_bytes: u64) -> io::Result<()> {
    // A helper that breaks its bound ends by a signal; that is worth no core file.
    let _ = rlimit::setrlimit(rlimit::Resource::CORE, 0, 0);
    if cfg!(target_os = "linux") {
        // What the process has mapped before it reads the first order is not the template's.
        let limit = data_bytes().unwrap_or(0) + memory_bytes.saturating_sub(CODE_BYTES);
        rlimit::setrlimit(rlimit::Resource::DATA, limit, limit)?;
    }
    Ok(())
}

/// Private writable memory mapped so far, in bytes (`VmData` of proc_pid_status(5)).
fn data_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmData:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
