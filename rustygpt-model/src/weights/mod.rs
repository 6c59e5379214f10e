//! Model files on disk. A file is hostile until this module has proved its header, extents and
//! metadata budget with checked arithmetic; nothing else reads one.

pub mod metadata;

pub use metadata::{Metadata, MetadataArray, MetadataValue};
