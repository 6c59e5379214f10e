//! [`Header`]: everything before the tensors' data.

use super::cursor::Cursor;
use super::values::read_value;
use crate::weights::tensor::{TensorInfo, byte_length, find_overlap};
use crate::weights::{ElementType, Malformed, Metadata, MetadataValue};
use indexmap::IndexMap;
use indexmap::map::Entry;
use std::collections::HashSet;

/// The specification's own bound on keys.
const LONGEST_KEY: u64 = 65_535;

/// ggml takes 63 bytes, some forks 127.
const LONGEST_TENSOR_NAME: u64 = 255;

/// ggml's `GGML_MAX_DIMS`.
const MOST_DIMENSIONS: u32 = 4;

const MOST_ENTRIES: u64 = 1 << 16;
const MOST_TENSORS: u64 = 1 << 20;

/// Smallest entry in the file: an empty key's length, a type and one byte.
const SMALLEST_ENTRY: u64 = 8 + 4 + 1;

/// Smallest tensor in the file: an empty name's length, no dimensions, type and offset.
const SMALLEST_TENSOR: u64 = 8 + 4 + 4 + 8;

/// What a tensor costs in memory: its record twice (file order, later by name) and its two
/// allocations. The name is counted by its length.
const TENSOR_COST: u64 = 2 * size_of::<TensorInfo>() as u64 + 128;

/// What an entry costs in the map beside its key and its value's contents.
const ENTRY_COST: u64 = size_of::<(String, MetadataValue)>() as u64 + 64;

const DEFAULT_ALIGNMENT: u64 = 32;

/// A proved header of one file.
#[derive(Clone, Debug)]
pub struct Header {
    /// The format's version, 2 or 3.
    pub version: u32,
    /// The tensors' data begins at multiples of this many bytes.
    pub alignment: u64,
    /// All key/value pairs.
    pub metadata: Metadata,
    /// All tensors, in file order.
    pub tensors: Vec<TensorInfo>,
}

/// What a part of a split model says about the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Which part this is, counted from 0.
    pub number: u64,
    /// How many parts there are.
    pub count: u64,
    /// How many tensors all parts hold together, where it is said.
    pub tensors: Option<u64>,
}

impl Header {
    /// Reads and proves the header of a file given as all its bytes.
    ///
    /// # Errors
    /// [`Malformed`] for every departure from the format and for what exceeds our bounds.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes, super::METADATA_BUDGET);
        let version = read_version(&mut cursor)?;
        let tensor_count = cursor.u64("the number of tensors")?;
        let entry_count = cursor.count(SMALLEST_ENTRY, "metadata entries")?;
        if entry_count > MOST_ENTRIES {
            return Err(Malformed(format!(
                "{entry_count} metadata entries; {MOST_ENTRIES} are the most"
            )));
        }
        let metadata = read_metadata(&mut cursor, entry_count)?;
        let alignment = alignment(&metadata)?;
        let mut tensors = read_tensors(&mut cursor, tensor_count)?;
        place(&mut tensors, &cursor, alignment, bytes.len() as u64)?;
        Ok(Self {
            version,
            alignment,
            metadata,
            tensors,
        })
    }

    /// What the file says about being one part of several; `None` when it stands alone.
    ///
    /// # Errors
    /// [`Malformed`] when the numbers contradict each other.
    pub fn split(&self) -> Result<Option<Split>, Malformed> {
        let Some(count) = self
            .metadata
            .unsigned("split.count")
            .filter(|&count| count > 1)
        else {
            return Ok(None);
        };
        let number = self
            .metadata
            .unsigned("split.no")
            .filter(|&number| number < count)
            .ok_or_else(|| {
                Malformed(format!("split.no is no number below {count}, split.count"))
            })?;
        Ok(Some(Split {
            number,
            count,
            tensors: self.metadata.unsigned("split.tensors.count"),
        }))
    }
}

fn read_version(cursor: &mut Cursor<'_>) -> Result<u32, Malformed> {
    let magic: [u8; 4] = cursor.array("the first bytes")?;
    match &magic {
        b"GGUF" => {}
        b"ggml" | b"ggmf" | b"ggjt" | b"lmgg" | b"fmgg" | b"tjgg" => {
            return Err(Malformed(
                "a model in the format before GGUF; convert it again with llama.cpp".to_owned(),
            ));
        }
        _ => {
            return Err(Malformed(
                "not a GGUF file: it does not begin with \"GGUF\"".to_owned(),
            ));
        }
    }
    match cursor.u32("the version")? {
        version @ (2 | 3) => Ok(version),
        1 => Err(Malformed(
            "GGUF version 1 is obsolete; convert the model again".to_owned(),
        )),
        version if (1..=3).contains(&version.swap_bytes()) => Err(Malformed(
            "a big-endian GGUF file; only little-endian ones can be read here".to_owned(),
        )),
        version => Err(Malformed(format!(
            "GGUF version {version} is unknown; versions 2 and 3 can be read"
        ))),
    }
}

fn read_metadata(cursor: &mut Cursor<'_>, count: u64) -> Result<Metadata, Malformed> {
    let mut entries = IndexMap::new();
    for _ in 0..count {
        let key = cursor.string(LONGEST_KEY, "a metadata key")?;
        if key.is_empty() {
            return Err(Malformed("a metadata key is empty".to_owned()));
        }
        cursor.spend(ENTRY_COST, &key)?;
        match entries.entry(key) {
            Entry::Occupied(known) => {
                let key = known.key();
                return Err(Malformed(format!("the metadata key {key:?} stands twice")));
            }
            Entry::Vacant(vacant) => {
                let value = read_value(cursor, vacant.key())?;
                vacant.insert(value);
            }
        }
    }
    Ok(Metadata::new(entries))
}

fn alignment(metadata: &Metadata) -> Result<u64, Malformed> {
    if metadata.get("general.alignment").is_none() {
        return Ok(DEFAULT_ALIGNMENT);
    }
    metadata
        .unsigned("general.alignment")
        .filter(|alignment| alignment.is_power_of_two() && (8..=65_536).contains(alignment))
        .ok_or_else(|| Malformed("general.alignment is no power of two from 8 to 65536".to_owned()))
}

/// Reads the tensors' records. Offsets are still those of the file, relative to the data.
fn read_tensors(cursor: &mut Cursor<'_>, count: u64) -> Result<Vec<TensorInfo>, Malformed> {
    let left = cursor.remaining();
    if count > MOST_TENSORS || count.saturating_mul(SMALLEST_TENSOR) > left {
        return Err(Malformed(format!(
            "{count} tensors are claimed where the file has {left} bytes left and {MOST_TENSORS} \
             are the most"
        )));
    }
    cursor.spend(count.saturating_mul(TENSOR_COST), "tensors")?;
    let mut tensors = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    let mut names = HashSet::new();
    for _ in 0..count {
        let name = cursor.string(LONGEST_TENSOR_NAME, "a tensor's name")?;
        // For the two further copies: here and in the model's map.
        cursor.spend(2 * (name.len() as u64 + 16), &name)?;
        if name.is_empty() || !names.insert(name.clone()) {
            return Err(Malformed(format!(
                "the tensor name {name:?} is empty or stands twice"
            )));
        }
        tensors.push(read_tensor(cursor, name)?);
    }
    Ok(tensors)
}

fn read_tensor(cursor: &mut Cursor<'_>, name: String) -> Result<TensorInfo, Malformed> {
    let dimensions = cursor.u32(&name)?;
    if dimensions > MOST_DIMENSIONS {
        return Err(Malformed(format!(
            "the tensor {name:?} has {dimensions} dimensions; {MOST_DIMENSIONS} are the most"
        )));
    }
    let lengths = (0..dimensions)
        .map(|_| cursor.u64(&name))
        .collect::<Result<Vec<u64>, _>>()?;
    let number = cursor.u32(&name)?;
    let offset = cursor.u64(&name)?;
    let element_type = ElementType::from_ggml(number).ok_or_else(|| {
        Malformed(format!(
            "the tensor {name:?} is of the unknown element type {number}"
        ))
    })?;
    // ggml divides by these lengths; no model has an empty tensor.
    if lengths.contains(&0) {
        return Err(Malformed(format!(
            "the tensor {name:?} has a dimension of length 0"
        )));
    }
    // The first length is the row; a block never spans two rows.
    let row = lengths.first().copied().unwrap_or(1);
    if row % element_type.block_elements() != 0 {
        return Err(Malformed(format!(
            "the tensor {name:?} has rows of {row} elements, which do not fill whole blocks of {} \
             ({element_type})",
            element_type.block_elements()
        )));
    }
    let byte_length = byte_length(element_type, &lengths).ok_or_else(|| {
        Malformed(format!(
            "the tensor {name:?} is too large: its dimensions are {lengths:?}"
        ))
    })?;
    let shape = lengths
        .iter()
        .rev()
        .map(|&length| usize::try_from(length))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Malformed(format!("the tensor {name:?} is too large for this machine")))?;
    Ok(TensorInfo {
        name,
        element_type,
        shape,
        byte_length,
        file: 0,
        offset,
    })
}

/// Turns offsets relative to the data into offsets in the file, and proves that each tensor is
/// aligned, inside the file and alone on its bytes.
fn place(
    tensors: &mut [TensorInfo],
    cursor: &Cursor<'_>,
    alignment: u64,
    file_length: u64,
) -> Result<(), Malformed> {
    let data = (cursor.position() as u64)
        .checked_next_multiple_of(alignment)
        .ok_or_else(|| Malformed("the header is too long".to_owned()))?;
    for tensor in tensors.iter_mut() {
        let name = &tensor.name;
        if tensor.offset % alignment != 0 {
            return Err(Malformed(format!(
                "the tensor {name:?} begins at {}, which is no multiple of {alignment}",
                tensor.offset
            )));
        }
        let start = data.checked_add(tensor.offset);
        let end = start.and_then(|start| start.checked_add(tensor.byte_length));
        match (start, end) {
            (Some(start), Some(end)) if end <= file_length => tensor.offset = start,
            _ => {
                return Err(Malformed(format!(
                    "the tensor {name:?} reaches past the end of the file ({file_length} bytes); \
                     the file is truncated or broken"
                )));
            }
        }
    }
    match find_overlap(tensors) {
        None => Ok(()),
        Some((first, second)) => Err(Malformed(format!(
            "the tensors {:?} and {:?} share bytes",
            first.name, second.name
        ))),
    }
}
