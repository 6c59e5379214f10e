//! A model without weights that follows a script, under the real engine.

use crate::contract::ModelError;
use crate::engine::LoadedModel;

/// What the scripted model answers.
#[derive(Clone, Debug, Default)]
pub struct Script {
    rules: Vec<(String, String)>,
    otherwise: String,
}

impl Script {
    /// Answers everything with `text`.
    #[must_use]
    pub fn answering(text: impl Into<String>) -> Self {
        Self {
            rules: Vec::new(),
            otherwise: text.into(),
        }
    }

    /// Answers with `answer` where the last user message contains `question`; the first rule that
    /// fits wins.
    #[must_use]
    pub fn when(mut self, question: impl Into<String>, answer: impl Into<String>) -> Self {
        self.rules.push((question.into(), answer.into()));
        self
    }
}

/// Starts an engine on a scripted model.
///
/// # Errors
/// [`ModelError::Internal`] when the operating system gives no thread.
pub fn scripted_model(id: &str, script: Script) -> Result<LoadedModel, ModelError> {
    let _ = (id, script);
    Err(ModelError::Stopped {
        reason: "the engine has not started".to_owned(),
    })
}
