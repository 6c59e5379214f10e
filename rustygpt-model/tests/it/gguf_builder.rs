//! Writes GGUF files, right ones and wrong ones.

/// A GGUF file in the making.
pub(crate) struct Gguf {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    pub(crate) alignment: usize,
    /// What the header says where that differs from what follows.
    pub(crate) claimed_entries: Option<u64>,
    pub(crate) claimed_tensors: Option<u64>,
    entries: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    data: usize,
    /// Contents of tensors that have any, by their place in the data.
    contents: Vec<(usize, Vec<u8>)>,
}

/// Number of a value's type in the file.
pub(crate) mod kind {
    pub(crate) const U8: u32 = 0;
    pub(crate) const U16: u32 = 2;
    pub(crate) const U32: u32 = 4;
    pub(crate) const I32: u32 = 5;
    pub(crate) const F32: u32 = 6;
    pub(crate) const BOOL: u32 = 7;
    pub(crate) const STRING: u32 = 8;
    pub(crate) const ARRAY: u32 = 9;
    pub(crate) const U64: u32 = 10;
}

pub(crate) const F32: u32 = 0;
pub(crate) const Q4_0: u32 = 2;

/// A string as the file holds it.
pub(crate) fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// An array's value: element type, count, then the elements as given.
pub(crate) fn array(kind: u32, count: u64, elements: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &count.to_le_bytes(), elements].concat()
}

impl Gguf {
    pub(crate) fn new() -> Self {
        Self {
            magic: *b"GGUF",
            version: 3,
            alignment: 32,
            claimed_entries: None,
            claimed_tensors: None,
            entries: Vec::new(),
            tensors: Vec::new(),
            data: 0,
            contents: Vec::new(),
        }
    }

    pub(crate) fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        let entry = [&string(key), &kind.to_le_bytes()[..], value].concat();
        self.entries.push(entry);
        self
    }

    pub(crate) fn text(self, key: &str, value: &str) -> Self {
        self.entry(key, kind::STRING, &string(value))
    }

    pub(crate) fn number(self, key: &str, value: u32) -> Self {
        self.entry(key, kind::U32, &value.to_le_bytes())
    }

    /// A tensor's record alone, with lengths innermost first, as the file has them.
    pub(crate) fn record(mut self, name: &str, lengths: &[u64], kind: u32, offset: u64) -> Self {
        let mut record = string(name);
        record.extend((lengths.len() as u32).to_le_bytes());
        for length in lengths {
            record.extend(length.to_le_bytes());
        }
        record.extend(kind.to_le_bytes());
        record.extend(offset.to_le_bytes());
        self.tensors.push(record);
        self
    }

    /// An F32 tensor with its data where it belongs.
    pub(crate) fn tensor(mut self, name: &str, lengths: &[u64]) -> Self {
        let offset = self.data.next_multiple_of(self.alignment);
        self.data = offset + lengths.iter().product::<u64>() as usize * 4;
        self.record(name, lengths, F32, offset as u64)
    }

    /// A tensor of ggml's type `kind` with its own contents.
    pub(crate) fn filled(
        mut self,
        name: &str,
        lengths: &[u64],
        kind: u32,
        contents: Vec<u8>,
    ) -> Self {
        let offset = self.data.next_multiple_of(self.alignment);
        self.data = offset + contents.len();
        self.contents.push((offset, contents));
        self.record(name, lengths, kind, offset as u64)
    }

    /// Bytes of data behind the header.
    pub(crate) fn data(mut self, length: usize) -> Self {
        self.data = length;
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The file's bytes; data without contents counts up, so that a wrong place shows.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        let tensors = self.claimed_tensors.unwrap_or(self.tensors.len() as u64);
        let entries = self.claimed_entries.unwrap_or(self.entries.len() as u64);
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(entries.to_le_bytes());
        bytes.extend(self.entries.concat());
        bytes.extend(self.tensors.concat());
        if self.data > 0 {
            bytes.resize(bytes.len().next_multiple_of(self.alignment), 0);
            let start = bytes.len();
            bytes.extend((0..self.data).map(|index| index as u8));
            for (offset, contents) in self.contents {
                bytes[start + offset..][..contents.len()].copy_from_slice(&contents);
            }
        }
        bytes
    }
}

/// A small model of one tensor that no reader should refuse.
pub(crate) fn tiny() -> Gguf {
    Gguf::new()
        .text("general.architecture", "llama")
        .text("general.name", "Tiny")
        .number("llama.context_length", 128)
        .tensor("token_embd.weight", &[8, 4])
}
