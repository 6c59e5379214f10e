//! Chat templates, rendered and tokenised.

use crate::contract::{Input, ModelError};
use crate::tokenizer::Tokenizer;

/// A model's chat template.
#[derive(Clone, Debug)]
pub struct ChatTemplate {}

impl ChatTemplate {
    /// The ChatML template.
    #[must_use]
    pub fn chatml() -> Self {
        Self {}
    }
}

/// Who renders a template.
#[derive(Clone, Debug)]
pub enum Renderer {
    /// This process.
    InProcess,
}

/// Renders and tokenises.
///
/// # Errors
/// [`ModelError::Template`].
pub async fn prompt_tokens(
    _renderer: &Renderer,
    _template: &ChatTemplate,
    tokenizer: &Tokenizer,
    input: &Input,
) -> Result<Vec<u32>, ModelError> {
    Ok(match input {
        Input::Chat { .. } => Vec::new(),
        Input::Text(text) => tokenizer.encode(text),
        Input::Tokens(tokens) => tokens.clone(),
    })
}
