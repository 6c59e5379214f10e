//! GGUF headers by name: those that must be read, and those that must be refused and why.

use super::gguf_builder::{F32, Gguf, Q4_0, array, kind, string, tiny};
use rustygpt_model::weights::gguf::Header;

/// Bytes of a file, and a word of the reason for which it is refused; none when it is fine.
pub(crate) type Case = (&'static str, Vec<u8>, Option<&'static str>);

fn fine(name: &'static str, file: Gguf) -> Case {
    (name, file.bytes(), None)
}

fn refused(name: &'static str, file: Gguf, because: &'static str) -> Case {
    (name, file.bytes(), Some(because))
}

fn aligned(alignment: u32) -> Gguf {
    tiny().number("general.alignment", alignment)
}

fn with_array(kind: u32, count: u64, elements: &[u8]) -> Gguf {
    tiny().entry("x", kind::ARRAY, &array(kind, count, elements))
}

/// Arrays of one array each, `depth` deep around an empty one.
fn nested(depth: usize) -> Gguf {
    let mut value = array(kind::U8, 0, &[]);
    for _ in 1..depth {
        value = array(kind::ARRAY, 1, &value);
    }
    tiny().entry("x", kind::ARRAY, &value)
}

fn tensor(lengths: &[u64], kind: u32, offset: u64, data: usize) -> Gguf {
    Gguf::new().record("t", lengths, kind, offset).data(data)
}

/// Every case that fits into a few kilobytes.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = good();
    cases.extend(bad_beginnings());
    cases.extend(bad_metadata());
    cases.extend(bad_tensors());
    // Cut anywhere, a file is refused.
    let whole = aligned(32).bytes();
    let cuts = [
        "cut-3", "cut-10", "cut-23", "cut-40", "cut-100", "cut-190", "cut-last",
    ];
    for name in cuts {
        let at = name
            .strip_prefix("cut-")
            .unwrap()
            .parse()
            .unwrap_or(whole.len() - 1);
        cases.push((name, whole[..at].to_vec(), Some("")));
    }
    cases
}

fn good() -> Vec<Case> {
    let all_kinds = tiny()
        .entry("u8", kind::U8, &[1])
        .entry("u16", kind::U16, &[1, 0])
        .entry("i32", kind::I32, &(-1_i32).to_le_bytes())
        .entry("f32", kind::F32, &1.5_f32.to_le_bytes())
        .entry("bool", kind::BOOL, &[1])
        .entry("u64", kind::U64, &u64::MAX.to_le_bytes())
        .entry("bools", kind::ARRAY, &array(kind::BOOL, 2, &[0, 1]))
        .entry(
            "texts",
            kind::ARRAY,
            &array(kind::STRING, 2, &[string("a"), string("")].concat()),
        );
    vec![
        fine("tiny", tiny()),
        fine("version-2", tiny().with(|file| file.version = 2)),
        fine(
            "no-tensors",
            Gguf::new().text("general.architecture", "llama"),
        ),
        fine("nothing", Gguf::new()),
        fine("all-kinds", all_kinds),
        fine("nested-arrays", nested(4)),
        fine(
            "alignment-8",
            Gguf::new()
                .with(|f| f.alignment = 8)
                .number("general.alignment", 8)
                .tensor("a", &[3])
                .tensor("b", &[1]),
        ),
        fine("scalar", Gguf::new().tensor("t", &[])),
        fine("four-dimensions", Gguf::new().tensor("t", &[2, 3, 1, 2])),
        fine("q4-0", tensor(&[64, 2], Q4_0, 0, 72)),
        fine("mxfp4", tensor(&[64, 2], 39, 0, 68)),
        fine(
            "out-of-order",
            Gguf::new()
                .record("b", &[4], F32, 32)
                .record("a", &[8], F32, 0)
                .data(48),
        ),
    ]
}

fn bad_beginnings() -> Vec<Case> {
    vec![
        ("empty", Vec::new(), Some("truncated")),
        refused(
            "magic",
            tiny().with(|f| f.magic = *b"PK\x03\x04"),
            "not a GGUF file",
        ),
        refused(
            "ggml-magic",
            tiny().with(|f| f.magic = *b"tjgg"),
            "before GGUF",
        ),
        refused("version-1", tiny().with(|f| f.version = 1), "obsolete"),
        refused(
            "version-0",
            tiny().with(|f| f.version = 0),
            "version 0 is unknown",
        ),
        refused(
            "version-4",
            tiny().with(|f| f.version = 4),
            "version 4 is unknown",
        ),
        refused(
            "big-endian",
            tiny().with(|f| f.version = 3_u32.swap_bytes()),
            "big-endian",
        ),
        refused(
            "entries-max",
            tiny().with(|f| f.claimed_entries = Some(u64::MAX)),
            "claimed",
        ),
        refused(
            "entries-more",
            tiny().with(|f| f.claimed_entries = Some(4)),
            "",
        ),
        refused(
            "tensors-max",
            tiny().with(|f| f.claimed_tensors = Some(u64::MAX)),
            "claimed",
        ),
        refused(
            "tensors-2-60",
            tiny().with(|f| f.claimed_tensors = Some(1 << 60)),
            "claimed",
        ),
    ]
}

fn bad_metadata() -> Vec<Case> {
    let long = u64::MAX.to_le_bytes();
    let gigabytes = (1_u64 << 40).to_le_bytes();
    vec![
        refused("alignment-0", aligned(0), "power of two"),
        refused("alignment-1", aligned(1), "power of two"),
        refused("alignment-4", aligned(4), "power of two"),
        refused("alignment-33", aligned(33), "power of two"),
        refused("alignment-131072", aligned(131_072), "power of two"),
        refused(
            "alignment-text",
            tiny().text("general.alignment", "32"),
            "power of two",
        ),
        refused(
            "key-twice",
            tiny().number("x", 1).number("x", 1),
            "stands twice",
        ),
        refused("key-empty", tiny().number("", 1), "empty"),
        refused(
            "key-too-long",
            tiny().number(&"k".repeat(70_000), 1),
            "65535 are the most",
        ),
        (
            "key-not-utf8",
            {
                let mut bytes = tiny().number("x\u{7f}y", 1).bytes();
                let at = bytes.windows(3).position(|w| w == b"x\x7fy").unwrap();
                bytes[at + 1] = 0xff;
                bytes
            },
            Some("UTF-8"),
        ),
        refused(
            "kind-13",
            tiny().entry("x", 13, &[0; 8]),
            "unknown value type 13",
        ),
        refused(
            "kind-max",
            tiny().entry("x", u32::MAX, &[0; 8]),
            "unknown value type",
        ),
        refused("bool-2", tiny().entry("x", kind::BOOL, &[2]), "truth value"),
        refused(
            "string-max",
            tiny().entry("x", kind::STRING, &long),
            "are the most",
        ),
        refused(
            "string-1-tib",
            tiny().entry("x", kind::STRING, &gigabytes),
            "are the most",
        ),
        refused(
            "string-past-end",
            tiny().entry("x", kind::STRING, &4096_u64.to_le_bytes()),
            "claimed",
        ),
        refused(
            "string-not-utf8",
            tiny().entry("x", kind::STRING, &[1, 0, 0, 0, 0, 0, 0, 0, 0xff]),
            "UTF-8",
        ),
        refused(
            "array-u8-max",
            with_array(kind::U8, u64::MAX, &[]),
            "claimed",
        ),
        refused(
            "array-u64-wraps",
            with_array(kind::U64, 1 << 61, &[]),
            "claimed",
        ),
        refused(
            "array-strings-max",
            with_array(kind::STRING, u64::MAX / 8, &[]),
            "claimed",
        ),
        refused(
            "array-strings-2-32",
            with_array(kind::STRING, 1 << 32, &[]),
            "claimed",
        ),
        refused(
            "array-arrays-max",
            with_array(kind::ARRAY, u64::MAX / 2, &[]),
            "claimed",
        ),
        refused(
            "array-kind-99",
            with_array(99, 1, &[0; 8]),
            "unknown value type 99",
        ),
        refused(
            "array-bool-2",
            with_array(kind::BOOL, 2, &[1, 2]),
            "truth value",
        ),
        refused("nested-5", nested(5), "nested"),
        refused("nested-300", nested(300), "nested"),
    ]
}

fn bad_tensors() -> Vec<Case> {
    let two = |first: u64, second: u64| {
        Gguf::new()
            .record("a", &[16], F32, first)
            .record("b", &[16], F32, second)
            .data(256)
    };
    let t = tensor;
    vec![
        refused(
            "dims-2-40-q4-0",
            t(&[1 << 40, 1 << 40], Q4_0, 0, 64),
            "too large",
        ),
        refused(
            "dims-2-32-f32",
            t(&[1 << 32, 1 << 32], F32, 0, 64),
            "too large",
        ),
        refused("dims-2-62-f32", t(&[1 << 62], F32, 0, 64), "too large"),
        refused("dims-max", t(&[u64::MAX], F32, 0, 64), "too large"),
        refused(
            "dims-wrap-to-16",
            t(&[1 << 33, (1 << 31) + 1], F32, 0, 64),
            "",
        ),
        refused("dims-zero", t(&[0, 8], F32, 0, 64), "length 0"),
        refused(
            "dims-zero-and-max",
            t(&[u64::MAX, 0, u64::MAX], F32, 0, 64),
            "length 0",
        ),
        refused("dims-5", t(&[1, 1, 1, 1, 1], F32, 0, 64), "5 dimensions"),
        refused(
            "row-of-33-q4-0",
            t(&[33, 32], Q4_0, 0, 1024),
            "whole blocks of 32",
        ),
        refused(
            "row-of-128-q4-k",
            t(&[128, 2], 12, 0, 1024),
            "whole blocks of 256",
        ),
        refused("scalar-q4-0", t(&[], Q4_0, 0, 64), "whole blocks"),
        refused("type-4", t(&[32], 4, 0, 64), "unknown element type 4"),
        refused("type-31", t(&[32], 31, 0, 64), "unknown element type 31"),
        refused(
            "type-max",
            t(&[32], u32::MAX, 0, 64),
            "unknown element type",
        ),
        refused("offset-unaligned", t(&[1], F32, 4, 64), "multiple of 32"),
        refused("offset-past-end", t(&[1], F32, 64, 64), "past the end"),
        refused(
            "offset-max",
            t(&[1], F32, u64::MAX - 31, 64),
            "past the end",
        ),
        refused("one-byte-short", t(&[16], F32, 0, 63), "past the end"),
        refused("no-data", t(&[16], F32, 0, 0), "past the end"),
        refused("same-bytes", two(0, 0), "share bytes"),
        refused("overlap", two(0, 32), "share bytes"),
        refused("overlap-reversed", two(32, 0), "share bytes"),
        refused(
            "name-twice",
            Gguf::new()
                .record("a", &[1], F32, 0)
                .record("a", &[1], F32, 32)
                .data(64),
            "stands twice",
        ),
        refused("name-empty", Gguf::new().tensor("", &[1]), "empty"),
        refused(
            "name-too-long",
            Gguf::new().tensor(&"n".repeat(256), &[1]),
            "255 are the most",
        ),
    ]
}

#[test]
fn good_headers_are_read_and_bad_ones_refused_with_their_reason() {
    for (name, bytes, because) in cases() {
        let outcome = Header::read(&bytes);
        match (outcome, because) {
            (Ok(_), None) => {}
            (Err(error), None) => panic!("{name}: refused: {error}"),
            (Ok(header), Some(_)) => panic!("{name}: accepted: {header:?}"),
            (Err(error), Some(because)) => {
                let error = error.to_string();
                assert!(
                    error.contains(because),
                    "{name}: {error:?} lacks {because:?}"
                );
            }
        }
    }
}

#[test]
fn no_cut_of_a_good_file_is_accepted_and_no_changed_byte_panics() {
    let whole = aligned(32).bytes();
    for length in 0..whole.len() {
        assert!(Header::read(&whole[..length]).is_err(), "cut at {length}");
    }
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            if let Ok(header) = Header::read(&changed) {
                for tensor in &header.tensors {
                    assert!(tensor.byte_length <= whole.len() as u64);
                }
            }
        }
    }
}
