//! Loads models that embed: encoders, and decoders whose hidden states are pooled.

use super::encoder::{Encoder, is_encoder};
use super::load::{LoadError, LoadOptions, architecture};
use crate::contract::{Embed, ModelError, Pooling};
use crate::weights::ModelFiles;

/// Loads a model that embeds into memory; `pooling` is what
/// [`purpose`](crate::weights::purpose) says of it. The file is not needed any more afterwards.
///
/// # Errors
/// [`ModelError`] naming the file and what is wrong with it, or what does not fit.
pub fn load_embedder(
    files: &ModelFiles,
    pooling: Pooling,
    _options: &LoadOptions,
) -> Result<Box<dyn Embed>, ModelError> {
    let path = files.path();
    let load = || -> Result<Box<dyn Embed>, LoadError> {
        let name = architecture(files)?;
        if is_encoder(name) {
            return Ok(Box::new(Encoder::load(files, pooling)?));
        }
        Err(LoadError::Unsupported(format!("architecture '{name}'")))
    };
    let model = load().map_err(|error| error.at(path))?;
    files.check_intact()?;
    Ok(model)
}
