//! What Jinja templates take for granted of Python: how values print, which methods strings and
//! dictionaries have, what `json.dumps` and `strftime` write. Facts from the Python 3 language
//! and library reference and from Jinja 3.1's template documentation.

mod dictionary;
mod filters;
mod generator;
mod json;
mod repr;
mod strftime;
mod strings;

pub(super) use dictionary::from_json;
pub(super) use filters::{Raised, install, method};
pub(super) use repr::write_str;
pub(super) use strftime::strftime;
