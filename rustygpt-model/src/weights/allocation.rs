//! Counts what a thread allocates, for tests of how much memory a header may cost.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use super::gguf::Header;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting per thread so that tests beside each other do not mix.
struct Counting;

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn count(change: i64) {
    let live = LIVE.get() + change;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: every call goes to the system's allocator unchanged; the counters are constants of the
// thread that allocate nothing themselves.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most bytes that `act` had allocated at one time.
fn peak<T>(act: impl FnOnce() -> T) -> (T, i64) {
    let before = LIVE.get();
    PEAK.set(before);
    let value = act();
    (value, PEAK.get() - before)
}

/// A file whose one entry is an array: type of its elements, how many, their bytes.
fn file(kind: u32, count: u64, elements: usize) -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(b"x");
    bytes.extend(9_u32.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.resize(bytes.len() + elements, 0);
    bytes
}

const MIB: i64 = 1 << 20;

#[test]
fn an_array_of_64_mib_costs_its_own_size() {
    for (kind, size) in [(0, 1), (7, 1), (2, 2), (6, 4), (12, 8)] {
        let file = file(kind, (64 << 20) / size, 64 << 20);
        let (header, peak) = peak(|| Header::read(&file));
        assert!(header.is_ok());
        assert!(
            (64 * MIB..66 * MIB).contains(&peak),
            "kind {kind}: {peak} bytes"
        );
    }
}

#[test]
fn lengths_that_lie_cost_nothing() {
    for kind in 0..13 {
        for count in [1 << 20, 1 << 32, 1 << 61, u64::MAX] {
            let file = file(kind, count, 4096);
            let (header, peak) = peak(|| Header::read(&file));
            assert!(header.is_err());
            assert!(peak < MIB, "kind {kind}, {count} claimed: {peak} bytes");
        }
    }
}

#[test]
fn small_things_in_a_large_file_stay_within_the_budget() {
    // Empty strings and empty arrays are the dearest for what they take in the file; zeros are
    // valid ones of both.
    for (kind, size) in [(8, 8), (9, 12)] {
        let file = file(kind, (96 << 20) / size, 96 << 20);
        let (_, peak) = peak(|| Header::read(&file));
        assert!(peak < 520 * MIB, "kind {kind}: {peak} bytes");
    }
}

#[test]
fn an_endless_shape_of_safetensors_costs_little() {
    let header = format!(
        "{{\"t\":{{\"dtype\":\"U8\",\"shape\":[{}",
        "0,".repeat(8 << 20)
    );
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    let (outcome, peak) = peak(|| super::safetensors::read_header(&file));
    assert!(outcome.is_err());
    assert!(peak < MIB, "{peak} bytes");
}
