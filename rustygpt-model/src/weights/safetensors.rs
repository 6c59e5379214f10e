//! The header of a safetensors file: a length, then JSON that says where each tensor lies.
//!
//! The rules are those of the format's README: offsets begin at 0, leave no hole, share no byte and
//! end with the file; names are unique. Bounds on header, names, dimensions and count are ours.

use super::tensor::{TensorInfo, byte_length};
use super::{ElementType, Malformed};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The format's own bound on the header.
const LONGEST_HEADER: u64 = 100_000_000;

const MOST_TENSORS: usize = 1 << 20;
const LONGEST_NAME: usize = 1024;
const MOST_DIMENSIONS: usize = 8;

/// Reads and proves the header of a file given as all its bytes; the tensors come in the order of
/// their data.
///
/// # Errors
/// [`Malformed`] for every departure from the format and for what exceeds our bounds.
pub fn read_header(bytes: &[u8]) -> Result<Vec<TensorInfo>, Malformed> {
    let (length, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or_else(|| Malformed("not a safetensors file: shorter than 8 bytes".to_owned()))?;
    let length = u64::from_le_bytes(*length);
    if length > LONGEST_HEADER {
        return Err(Malformed(format!(
            "not a safetensors file: its header would have {length} bytes, and {LONGEST_HEADER} \
             are the most"
        )));
    }
    let (json, data) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or_else(|| {
            Malformed(format!(
                "the header has {length} bytes where the file has {} left; it is truncated",
                rest.len()
            ))
        })?;
    if json.first() != Some(&b'{') {
        return Err(Malformed(
            "not a safetensors file: its header is no JSON object".to_owned(),
        ));
    }
    let mut json = serde_json::Deserializer::from_slice(json);
    let records = json
        .deserialize_map(Records)
        .and_then(|records| json.end().map(|()| records))
        .map_err(|e| Malformed(format!("the header is broken: {e}")))?;
    // The header's length was proved to lie in the file, so this cannot overflow.
    place(records, 8 + length, data.len() as u64)
}

/// Proves each record's extent, then that they lie one after the other to the end of the file.
fn place(
    records: Vec<(String, Record)>,
    data: u64,
    length: u64,
) -> Result<Vec<TensorInfo>, Malformed> {
    let mut tensors = Vec::with_capacity(records.len());
    for (name, record) in records {
        let Record {
            dtype,
            shape,
            data_offsets: (begin, end),
        } = record;
        let element_type = ElementType::from_safetensors(&dtype).ok_or_else(|| {
            Malformed(format!(
                "the tensor {name:?} is of the unknown element type {dtype:?}"
            ))
        })?;
        let wanted = byte_length(element_type, &shape.0).ok_or_else(|| {
            Malformed(format!(
                "the tensor {name:?} has an impossible shape, {:?}",
                shape.0
            ))
        })?;
        if end > length || end.checked_sub(begin) != Some(wanted) {
            return Err(Malformed(format!(
                "the tensor {name:?} needs {wanted} bytes; its offsets are {begin} to {end} of \
                 {length}"
            )));
        }
        let shape = shape.0.iter().map(|&length| usize::try_from(length));
        let shape = shape
            .collect::<Result<_, _>>()
            .map_err(|_| Malformed(format!("the tensor {name:?} is too large for this machine")))?;
        tensors.push(TensorInfo {
            name,
            element_type,
            shape,
            byte_length: wanted,
            file: 0,
            offset: data + begin,
        });
    }
    // Empty ones first, so that each begins where the one before it ends.
    tensors.sort_by_key(|tensor| (tensor.offset, tensor.byte_length));
    let mut reached = data;
    for tensor in &tensors {
        if tensor.offset != reached {
            return Err(Malformed(format!(
                "the tensor {:?} does not begin where the one before it ends",
                tensor.name
            )));
        }
        reached += tensor.byte_length;
    }
    if reached != data + length {
        return Err(Malformed(format!(
            "the tensors end at byte {reached}, the file at {}",
            data + length
        )));
    }
    Ok(tensors)
}

/// One tensor as the header describes it.
#[derive(Deserialize)]
struct Record {
    dtype: String,
    shape: Shape,
    data_offsets: (u64, u64),
}

/// A shape of at most [`MOST_DIMENSIONS`]; a longer one ends the reading, unread.
struct Shape(Vec<u64>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lengths;
        impl<'de> Visitor<'de> for Lengths {
            type Value = Shape;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "at most {MOST_DIMENSIONS} dimensions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut lengths: A) -> Result<Shape, A::Error> {
                let mut shape = Vec::new();
                while let Some(length) = lengths.next_element()? {
                    if shape.len() == MOST_DIMENSIONS {
                        return Err(A::Error::invalid_length(MOST_DIMENSIONS + 1, &self));
                    }
                    shape.push(length);
                }
                Ok(Shape(shape))
            }
        }
        deserializer.deserialize_seq(Lengths)
    }
}

/// Reads the header's object: tensors by name, and `__metadata__` of strings.
struct Records;

impl<'de> Visitor<'de> for Records {
    type Value = Vec<(String, Record)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut records = Vec::new();
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.len() > LONGEST_NAME {
                return Err(A::Error::custom("a tensor's name is too long"));
            }
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format_args!("{name:?} stands twice")));
            }
            if name == "__metadata__" {
                map.next_value::<HashMap<String, String>>()?;
                continue;
            }
            if records.len() == MOST_TENSORS {
                return Err(A::Error::custom(format_args!(
                    "more than {MOST_TENSORS} tensors"
                )));
            }
            records.push((name, map.next_value()?));
        }
        Ok(records)
    }
}
