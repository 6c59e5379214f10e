//! How many threads compute.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What the setting says; 0 until it was said.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The number of threads can no longer be chosen.
#[derive(Debug, thiserror::Error)]
#[error("the number of threads must be chosen before the program starts any")]
pub struct ThreadsError;

/// Lets the tensor engine compute on `count` threads. To be called by `main`, before anything
/// else runs.
///
/// # Errors
/// [`ThreadsError`] once other threads exist.
pub fn use_threads(count: usize) -> Result<(), ThreadsError> {
    if !is_single_threaded() {
        return Err(ThreadsError);
    }
    THREADS.store(count.max(1), Ordering::Relaxed);
    // What the tensor library itself still computes sizes its pool by this variable and by nothing
    // else.
    #[expect(
        unsafe_code,
        reason = "the environment is the tensor library's only setting"
    )]
    // SAFETY: no other thread exists that could read the environment meanwhile.
    unsafe {
        std::env::set_var("RAYON_NUM_THREADS", count.max(1).to_string());
    }
    Ok(())
}

/// Threads that compute: as many as the setting says, or as the process may run at a time.
pub(super) fn count() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

#[cfg(target_os = "linux")]
fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1)
}

/// Elsewhere the caller's word is all there is: `main` calls this first.
#[cfg(not(target_os = "linux"))]
fn is_single_threaded() -> bool {
    true
}
