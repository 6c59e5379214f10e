//! Metadata values: the thirteen types of the specification.

use super::cursor::Cursor;
use crate::weights::{Malformed, MetadataArray, MetadataValue};

/// Arrays in arrays in arrays: nobody needs more.
const DEEPEST_ARRAY: usize = 4;

/// Longest single string. Chat templates take some 20 kB, licences 100 kB.
const LONGEST_STRING: u64 = 16 << 20;

/// Reads the value of `key`: its type, then its contents.
pub(super) fn read_value(cursor: &mut Cursor<'_>, key: &str) -> Result<MetadataValue, Malformed> {
    use MetadataValue as V;
    let kind = cursor.u32(key)?;
    Ok(match kind {
        0 => V::U8(u8::from_le_bytes(cursor.array(key)?)),
        1 => V::I8(i8::from_le_bytes(cursor.array(key)?)),
        2 => V::U16(u16::from_le_bytes(cursor.array(key)?)),
        3 => V::I16(i16::from_le_bytes(cursor.array(key)?)),
        4 => V::U32(cursor.u32(key)?),
        5 => V::I32(i32::from_le_bytes(cursor.array(key)?)),
        6 => V::F32(f32::from_le_bytes(cursor.array(key)?)),
        7 => V::Bool(truth(cursor.array::<1>(key)?[0], key)?),
        8 => V::String(cursor.string(LONGEST_STRING, key)?),
        9 => V::Array(read_array(cursor, key, 1)?),
        10 => V::U64(cursor.u64(key)?),
        11 => V::I64(i64::from_le_bytes(cursor.array(key)?)),
        12 => V::F64(f64::from_le_bytes(cursor.array(key)?)),
        _ => return Err(unknown_kind(kind, key)),
    })
}

fn unknown_kind(kind: u32, key: &str) -> Malformed {
    Malformed(format!("{key:?} is of the unknown value type {kind}"))
}

fn truth(byte: u8, key: &str) -> Result<bool, Malformed> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed(format!(
            "{key:?}: a truth value of {byte}; only 0 and 1 are"
        ))),
    }
}

fn read_array(
    cursor: &mut Cursor<'_>,
    key: &str,
    depth: usize,
) -> Result<MetadataArray, Malformed> {
    use MetadataArray as A;
    let kind = cursor.u32(key)?;
    Ok(match kind {
        0 => A::U8(read_numbers(cursor, key, u8::from_le_bytes)?),
        1 => A::I8(read_numbers(cursor, key, i8::from_le_bytes)?),
        2 => A::U16(read_numbers(cursor, key, u16::from_le_bytes)?),
        3 => A::I16(read_numbers(cursor, key, i16::from_le_bytes)?),
        4 => A::U32(read_numbers(cursor, key, u32::from_le_bytes)?),
        5 => A::I32(read_numbers(cursor, key, i32::from_le_bytes)?),
        6 => A::F32(read_numbers(cursor, key, f32::from_le_bytes)?),
        7 => {
            let bytes = read_numbers(cursor, key, u8::from_le_bytes)?;
            A::Bool(
                bytes
                    .into_iter()
                    .map(|byte| truth(byte, key))
                    .collect::<Result<_, _>>()?,
            )
        }
        8 => A::String(read_list(cursor, key, 8, |cursor, key| {
            cursor.string(LONGEST_STRING, key)
        })?),
        9 if depth >= DEEPEST_ARRAY => {
            return Err(Malformed(format!(
                "{key:?}: arrays nested deeper than {DEEPEST_ARRAY}"
            )));
        }
        9 => A::Array(read_list(cursor, key, 12, |cursor, key| {
            read_array(cursor, key, depth + 1)
        })?),
        10 => A::U64(read_numbers(cursor, key, u64::from_le_bytes)?),
        11 => A::I64(read_numbers(cursor, key, i64::from_le_bytes)?),
        12 => A::F64(read_numbers(cursor, key, f64::from_le_bytes)?),
        _ => return Err(unknown_kind(kind, key)),
    })
}

/// Numbers of `N` bytes each, at the price of their own size.
fn read_numbers<T, const N: usize>(
    cursor: &mut Cursor<'_>,
    key: &str,
    decode: fn([u8; N]) -> T,
) -> Result<Vec<T>, Malformed> {
    let count = cursor.count(N as u64, key)?;
    // `count` proved that this product fits the file, hence 64 bits.
    let length = count * N as u64;
    cursor.spend(length, key)?;
    let (numbers, _) = cursor.take(length, key)?.as_chunks::<N>();
    Ok(numbers.iter().map(|&bytes| decode(bytes)).collect())
}

/// Things of at least `smallest` bytes each, which are read one by one.
fn read_list<'a, T>(
    cursor: &mut Cursor<'a>,
    key: &str,
    smallest: u64,
    read: impl Fn(&mut Cursor<'a>, &str) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = cursor.count(smallest, key)?;
    cursor.spend(count.saturating_mul(size_of::<T>() as u64), key)?;
    let mut list = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for _ in 0..count {
        list.push(read(cursor, key)?);
    }
    Ok(list)
}
