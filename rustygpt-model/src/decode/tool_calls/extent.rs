//! [`Extent`]: where a JSON value ends, found while it arrives.

/// Where a JSON value ends. Only its extent is found, not whether it is valid.
#[derive(Clone, Debug, Default)]
pub(super) struct Extent {
    depth: u32,
    is_in_string: bool,
    is_escaped: bool,
    kind: Option<u8>,
}

/// What a byte is to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// White space before it.
    Before,
    /// A part of it.
    Inside,
    /// Its last byte.
    Last,
    /// Behind it: a number or a word ended before this byte.
    Behind,
}

impl Extent {
    /// The value's first byte; `None` before it came.
    pub(super) fn first(&self) -> Option<u8> {
        self.kind
    }

    /// Takes the next byte.
    pub(super) fn push(&mut self, byte: u8) -> Place {
        if self.is_in_string {
            if self.is_escaped {
                self.is_escaped = false;
            } else if byte == b'\\' {
                self.is_escaped = true;
            } else if byte == b'"' {
                self.is_in_string = false;
                return self.closed();
            }
            return Place::Inside;
        }
        match (self.kind, byte) {
            (None, b' ' | b'\t' | b'\n' | b'\r') => return Place::Before,
            // A word or a number at the top: anything that cannot be a part of it ends it.
            (Some(kind), b' ' | b'\t' | b'\n' | b'\r' | b',' | b'}' | b']' | b':')
                if self.depth == 0 && !matches!(kind, b'{' | b'[' | b'"') =>
            {
                return Place::Behind;
            }
            _ => {}
        }
        if self.kind.is_none() && matches!(byte, b',' | b'}' | b']' | b':') {
            return Place::Behind;
        }
        self.kind.get_or_insert(byte);
        match byte {
            b'"' => self.is_in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.closed();
            }
            _ => {}
        }
        Place::Inside
    }

    fn closed(&self) -> Place {
        match self.depth {
            0 => Place::Last,
            _ => Place::Inside,
        }
    }
}
