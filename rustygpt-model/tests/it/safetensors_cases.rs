//! Safetensors headers by name: those that must be read, and those that must be refused and why.

use super::gguf_cases::Case;
use rustygpt_model::weights::safetensors::read_header;

/// A file of a header, padded to eight bytes as writers do, and `data` bytes behind it.
pub(crate) fn file(header: &str, data: usize) -> Vec<u8> {
    let length = header.len().next_multiple_of(8);
    let mut bytes = (length as u64).to_le_bytes().to_vec();
    bytes.extend(format!("{header:length$}").bytes());
    bytes.extend((0..data).map(|index| index as u8));
    bytes
}

/// One tensor's entry.
pub(crate) fn entry(name: &str, dtype: &str, shape: &str, begin: u64, end: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
}

fn one(dtype: &str, shape: &str, begin: u64, end: u64, data: usize) -> Vec<u8> {
    file(
        &format!("{{{}}}", entry("t", dtype, shape, begin, end)),
        data,
    )
}

fn two(first: &str, second: &str, data: usize) -> Vec<u8> {
    file(&format!("{{{first},{second}}}"), data)
}

/// Every case that fits into a few kilobytes.
pub(crate) fn cases() -> Vec<Case> {
    let a = |begin, end| entry("a", "F32", "[2]", begin, end);
    let b = |begin, end| entry("b", "F32", "[2]", begin, end);
    let claimed = |length: u64| [&length.to_le_bytes()[..], b"{}"].concat();
    let many = format!("[{}]", vec!["1"; 100].join(","));
    let deep = format!("{{\"t\":{}", "[".repeat(2000));
    let huge = "[1099511627776,1099511627776]";
    let wrapped = "[4294967296,4294967296]";
    let with_metadata =
        |value: &str| file(&format!(r#"{{"__metadata__":{value},{}}}"#, a(0, 8)), 8);
    vec![
        ("one", one("F32", "[2,2]", 0, 16, 16), None),
        ("two", two(&a(0, 8), &b(8, 16), 16), None),
        ("two-reversed", two(&b(8, 16), &a(0, 8), 16), None),
        ("metadata", with_metadata(r#"{"format":"pt"}"#), None),
        ("nothing", file("{}", 0), None),
        ("scalar", one("BF16", "[]", 0, 2, 2), None),
        (
            "empty-tensor",
            two(&entry("e", "F16", "[0,3]", 8, 8), &a(0, 8), 8),
            None,
        ),
        ("half-bytes", one("F4", "[2,3]", 0, 3, 3), None),
        ("empty", Vec::new(), Some("shorter than 8")),
        ("cut-in-length", vec![2, 0, 0], Some("shorter than 8")),
        ("length-past-end", claimed(3), Some("truncated")),
        ("length-max", claimed(u64::MAX), Some("are the most")),
        ("length-100-mb", claimed(100_000_001), Some("are the most")),
        ("length-0", claimed(0), Some("no JSON object")),
        ("array", file("[]", 0), Some("no JSON object")),
        (
            "gguf",
            b"GGUF\x03\0\0\0\0\0\0\0".to_vec(),
            Some("are the most"),
        ),
        ("not-json", file("{\"t\":", 0), Some("broken")),
        (
            "not-utf8",
            [&4_u64.to_le_bytes()[..], b"{\"\xff\""].concat(),
            Some("broken"),
        ),
        ("two-objects", file("{}{}", 0), Some("broken")),
        ("deep", file(&deep, 0), Some("broken")),
        (
            "name-twice",
            two(&a(0, 8), &entry("a", "F32", "[2]", 8, 16), 16),
            Some("stands twice"),
        ),
        (
            "name-long",
            file(
                &format!("{{{}}}", entry(&"n".repeat(1025), "F32", "[2]", 0, 8)),
                8,
            ),
            Some("too long"),
        ),
        (
            "field-twice",
            file(
                r#"{"t":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
                1,
            ),
            Some("duplicate"),
        ),
        (
            "metadata-numbers",
            with_metadata(r#"{"format":1}"#),
            Some("broken"),
        ),
        ("metadata-list", with_metadata("[]"), Some("broken")),
        (
            "no-shape",
            file(r#"{"t":{"dtype":"U8","data_offsets":[0,1]}}"#, 1),
            Some("shape"),
        ),
        (
            "dtype-unknown",
            one("Q4_0", "[32]", 0, 18, 18),
            Some("unknown element type"),
        ),
        ("shape-negative", one("U8", "[-1]", 0, 1, 1), Some("broken")),
        ("shape-float", one("U8", "[1.5]", 0, 1, 1), Some("broken")),
        (
            "shape-long",
            one("U8", &many, 0, 1, 1),
            Some("at most 8 dimensions"),
        ),
        (
            "shape-2-80",
            one("F32", huge, 0, 8, 8),
            Some("impossible shape"),
        ),
        (
            "shape-wraps-to-0",
            one("F32", wrapped, 0, 0, 0),
            Some("impossible shape"),
        ),
        (
            "shape-empty-and-huge",
            one("F32", "[0,9223372036854775807,3]", 0, 0, 0),
            Some("impossible shape"),
        ),
        (
            "half-bytes-odd",
            one("F4", "[3]", 0, 2, 2),
            Some("impossible shape"),
        ),
        (
            "offsets-swapped",
            one("F32", "[2]", 8, 0, 8),
            Some("needs 8 bytes"),
        ),
        (
            "offsets-short",
            one("F32", "[2]", 0, 4, 4),
            Some("needs 8 bytes"),
        ),
        (
            "offsets-past-end",
            one("F32", "[2]", 0, 8, 4),
            Some("needs 8 bytes"),
        ),
        (
            "offsets-max",
            one("U8", "[1]", u64::MAX - 1, u64::MAX, 1),
            Some("needs 1 bytes"),
        ),
        (
            "offsets-three",
            file(
                r#"{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}"#,
                1,
            ),
            Some("broken"),
        ),
        (
            "overlap",
            two(&a(0, 8), &b(4, 12), 12),
            Some("does not begin where"),
        ),
        (
            "same-bytes",
            two(&a(0, 8), &b(0, 8), 8),
            Some("does not begin where"),
        ),
        (
            "hole",
            two(&a(0, 8), &b(12, 20), 20),
            Some("does not begin where"),
        ),
        (
            "hole-at-start",
            one("F32", "[2]", 8, 16, 16),
            Some("does not begin where"),
        ),
        (
            "rest-at-end",
            one("F32", "[2]", 0, 8, 9),
            Some("the file at"),
        ),
    ]
}

#[test]
fn good_headers_are_read_and_bad_ones_refused_with_their_reason() {
    for (name, bytes, because) in cases() {
        match (read_header(&bytes), because) {
            (Ok(_), None) => {}
            (Err(error), None) => panic!("{name}: refused: {error}"),
            (Ok(tensors), Some(_)) => panic!("{name}: accepted: {tensors:?}"),
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
fn what_the_format_s_own_writer_writes_is_read() {
    use safetensors::tensor::{Dtype, TensorView, serialize};
    let numbers: Vec<u8> = (0..24).collect();
    let view = |dtype, shape: &[usize], range| {
        TensorView::new(dtype, shape.to_vec(), &numbers[range]).unwrap()
    };
    let tensors = [
        ("a", view(Dtype::F32, &[2, 2], 0..16)),
        ("b", view(Dtype::BF16, &[4], 16..24)),
        ("c", view(Dtype::U8, &[0], 0..0)),
    ];
    let bytes = serialize(tensors, None).unwrap();
    let read = read_header(&bytes).unwrap();
    let find = |name: &str| read.iter().find(|tensor| tensor.name == name).unwrap();
    assert_eq!(find("a").shape, [2, 2]);
    assert_eq!(find("b").byte_length, 8);
    assert_eq!(find("c").elements(), 0);
}
