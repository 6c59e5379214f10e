//! Mapped files on Unix, guarded against truncation.
#![expect(
    unsafe_code,
    reason = "mmap, sigaction and the signal handler have no safe interface"
)]

use std::fs::File;
use std::io::{Error, Result};
use std::ops::Range as Offsets;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

/// The bytes of a mapped file.
#[derive(Debug)]
pub(super) struct Contents {
    map: memmap2::Mmap,
    /// Where the mapping stands in [`RANGES`]; `None` for an empty file, which has no pages.
    range: Option<&'static Range>,
}

impl Contents {
    /// Maps the whole file, guarded.
    pub(super) fn read(file: &File) -> Result<Self> {
        install_handler()?;
        // SAFETY: the mapping is read-only and private to us. Its length stays valid for as long as
        // it lives: pages that the file loses are replaced by the handler. Another process may
        // still change the contents; all readers treat them as untrusted bytes without invariants.
        let map = unsafe { memmap2::Mmap::map(file)? };
        let range = match map.len() {
            0 => None,
            length => Some(Range::claim(map.as_ptr() as usize, length)?),
        };
        Ok(Self { map, range })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Gives the pages of a range back; they come again from the file when they are read.
    pub(super) fn release(&self, range: Offsets<usize>) {
        let page = PAGE.load(Ordering::Acquire).max(1);
        let length = self.map.len();
        // A page that reaches beyond the range may hold what is still needed, and stays.
        let start = range.start.min(length).next_multiple_of(page);
        let end = range.end.min(length) / page * page;
        if start < end {
            // SAFETY: of a read-only mapping of a file nothing is lost: its pages are read again, or
            // put in place by the handler.
            let _ = unsafe {
                self.map.unchecked_advise_range(
                    memmap2::UncheckedAdvice::DontNeed,
                    start,
                    end - start,
                )
            };
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.range
            .is_some_and(|range| range.is_lost.load(Ordering::Acquire))
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        // Before the pages are unmapped (the field is dropped after this), so that the handler never
        // maps over what someone else was given meanwhile.
        if let Some(range) = self.range {
            range.state.store(FREE, Ordering::Release);
        }
    }
}

/// A guarded range of addresses. The handler reads the table without a lock.
#[derive(Debug)]
struct Range {
    state: AtomicU8,
    start: AtomicUsize,
    length: AtomicUsize,
    is_lost: AtomicBool,
}

const FREE: u8 = 0;
const CLAIMED: u8 = 1;
const LIVE: u8 = 2;

/// Files that can be mapped at a time: far more than the largest sharded model has.
const MOST_RANGES: usize = 8192;

static RANGES: [Range; MOST_RANGES] = [const {
    Range {
        state: AtomicU8::new(FREE),
        start: AtomicUsize::new(0),
        length: AtomicUsize::new(0),
        is_lost: AtomicBool::new(false),
    }
}; MOST_RANGES];

impl Range {
    /// Enters a mapping into the table.
    fn claim(start: usize, length: usize) -> Result<&'static Self> {
        let is_claimed = |range: &&Self| {
            range
                .state
                .compare_exchange(FREE, CLAIMED, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        };
        let range = RANGES
            .iter()
            .find(is_claimed)
            .ok_or_else(|| Error::other("too many model files are open"))?;
        range.start.store(start, Ordering::Relaxed);
        range.length.store(length, Ordering::Relaxed);
        range.is_lost.store(false, Ordering::Relaxed);
        range.state.store(LIVE, Ordering::Release);
        Ok(range)
    }

    /// The range that holds an address, with its start and end. Only loads: the handler calls it.
    fn find(address: usize) -> Option<(&'static Self, usize, usize)> {
        RANGES.iter().find_map(|range| {
            if range.state.load(Ordering::Acquire) != LIVE {
                return None;
            }
            let start = range.start.load(Ordering::Relaxed);
            let end = start.checked_add(range.length.load(Ordering::Relaxed))?;
            (start..end)
                .contains(&address)
                .then_some((range, start, end))
        })
    }
}

/// Bytes of a page; set before the handler is installed.
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// Who handled the signal before us; set before our handler is installed.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler for SIGBUS, once per process.
fn install_handler() -> Result<()> {
    static INSTALLED: OnceLock<std::result::Result<(), i32>> = OnceLock::new();
    let outcome = INSTALLED.get_or_init(|| {
        let failure = || {
            Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EINVAL)
        };
        // SAFETY: sysconf has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        PAGE.store(
            usize::try_from(page).map_err(|_| failure())?,
            Ordering::Release,
        );
        // SAFETY: an all-zero sigaction is a valid value of this C struct on every Unix.
        let mut previous: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: a null new action only asks; `previous` is a valid place for the answer.
        if unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut previous) } != 0 {
            return Err(failure());
        }
        PREVIOUS.get_or_init(|| previous);
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
            on_bus_error;
        // SAFETY: as above, zero is a valid start value.
        let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
        ours.sa_sigaction = handler as usize;
        // The alternate stack is the one that the standard library gives each of its threads.
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the mask is part of our own value; the handler has the signature that SA_SIGINFO
        // asks for and calls nothing that is not async-signal-safe.
        unsafe {
            libc::sigemptyset(&raw mut ours.sa_mask);
            if libc::sigaction(libc::SIGBUS, &raw const ours, std::ptr::null_mut()) != 0 {
                return Err(failure());
            }
        }
        Ok(())
    });
    outcome.map_err(Error::from_raw_os_error)
}

/// Runs when a page cannot be read. Async-signal-safe: atomics, mmap and sigaction only.
extern "C" fn on_bus_error(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel gives a valid siginfo to a SA_SIGINFO handler.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    // A positive code is a fault of the kernel's; others were sent by a process, without an address.
    if code > 0 && put_zeros_in_place(address) {
        return;
    }
    hand_on(signal, info, context);
}

/// Replaces the rest of a guarded mapping, from the page at `address`, by zeros. All of it at once:
/// what follows the first missing page of a truncated file is missing too.
fn put_zeros_in_place(address: usize) -> bool {
    let Some((range, start, end)) = Range::find(address) else {
        return false;
    };
    let page = PAGE.load(Ordering::Acquire);
    let first = address / page * page;
    if first < start {
        return false;
    }
    #[cfg(target_os = "linux")]
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
    #[cfg(not(target_os = "linux"))]
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED;
    // SAFETY: the range is ours (it stands live in the table, so its owner has not unmapped it), and
    // it is read-only memory of untrusted bytes whose change to zeros breaks no invariant. errno is
    // put back, because the interrupted code may be about to read its own.
    let mapped = unsafe {
        let errno = errno_place();
        let before = *errno;
        let mapped = libc::mmap(
            first as *mut libc::c_void,
            end - first,
            libc::PROT_READ,
            flags,
            -1,
            0,
        );
        *errno = before;
        mapped
    };
    let is_mapped = mapped != libc::MAP_FAILED;
    if is_mapped {
        range.is_lost.store(true, Ordering::Release);
    }
    is_mapped
}

/// Where this thread's errno lies.
fn errno_place() -> *mut libc::c_int {
    #[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "redox"))]
    // SAFETY: no preconditions; the place is valid as long as the thread lives.
    let place = unsafe { libc::__errno_location() };
    #[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
    // SAFETY: no preconditions; the place is valid as long as the thread lives.
    let place = unsafe { libc::__error() };
    #[cfg(any(target_os = "android", target_os = "openbsd", target_os = "netbsd"))]
    // SAFETY: no preconditions; the place is valid as long as the thread lives.
    let place = unsafe { libc::__errno() };
    place
}

/// Gives a fault that is not ours to whoever handled it before, or lets it kill the process.
fn hand_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    type Informed = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
    type Plain = extern "C" fn(libc::c_int);
    let previous = PREVIOUS.get();
    let handler = previous.map_or(libc::SIG_DFL, |action| action.sa_sigaction);
    let is_informed = previous.is_some_and(|action| action.sa_flags & libc::SA_SIGINFO != 0);
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // Ignoring a fault would repeat it for ever; the kernel does not allow it either.
        // SAFETY: both calls are async-signal-safe; the raised signal waits until we return.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    } else if is_informed {
        // SAFETY: the previous owner registered a function of this signature (SA_SIGINFO).
        let handler = unsafe { std::mem::transmute::<usize, Informed>(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: without SA_SIGINFO the registered function takes the signal's number alone.
        let handler = unsafe { std::mem::transmute::<usize, Plain>(handler) };
        handler(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    const AS_CHILD: &str = "RUSTYGPT_TEST_FOREIGN_FAULT";

    fn truncated(file: &File) {
        file.set_len(0).unwrap();
    }

    #[test]
    fn a_fault_outside_our_mappings_still_kills() {
        if std::env::var_os(AS_CHILD).is_some() {
            let guarded = tempfile::tempfile().unwrap();
            guarded.set_len(8192).unwrap();
            let _installed = Contents::read(&guarded).unwrap();
            let file = tempfile::tempfile().unwrap();
            file.set_len(8192).unwrap();
            // SAFETY: the fault is what this process is for.
            let foreign = unsafe { memmap2::Mmap::map(&file).unwrap() };
            truncated(&file);
            let read = std::hint::black_box(&foreign)[0];
            panic!("a page that is gone was read as {read}");
        }
        let name = "weights::mapping::contents::tests::a_fault_outside_our_mappings_still_kills";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(AS_CHILD, "1")
            .output()
            .unwrap();
        assert_eq!(child.status.signal(), Some(libc::SIGBUS), "{child:?}");
    }

    #[test]
    fn places_in_the_table_are_given_back() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        for _ in 0..MOST_RANGES + 1 {
            drop(Contents::read(&file).unwrap());
        }
    }

    #[test]
    fn a_page_that_was_given_back_is_read_again() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&vec![7; 1 << 20], 0).unwrap();
        let contents = Contents::read(&file).unwrap();
        let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        let whole = sum(contents.bytes());
        for range in [0..0, 1..5000, 10..1 << 19, 0..usize::MAX] {
            contents.release(range);
            assert_eq!(sum(contents.bytes()), whole);
        }
        contents.release(0..1 << 20);
        truncated(&file);
        assert_eq!(sum(contents.bytes()), 0);
        assert!(contents.is_lost());
    }

    #[test]
    fn an_empty_file_has_no_pages_to_lose() {
        let contents = Contents::read(&tempfile::tempfile().unwrap()).unwrap();
        assert!(contents.bytes().is_empty() && !contents.is_lost());
    }

    #[test]
    fn errno_survives_the_handler() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        let contents = Contents::read(&file).unwrap();
        truncated(&file);
        // SAFETY: this thread's own errno.
        let errno = unsafe {
            *errno_place() = 77;
            let sum: u64 = contents.bytes().iter().map(|&byte| u64::from(byte)).sum();
            assert_eq!(sum, 0);
            *errno_place()
        };
        assert_eq!(errno, 77);
        assert!(contents.is_lost());
    }
}
