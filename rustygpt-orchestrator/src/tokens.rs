//! Texts and tokens of one model. Whoever holds its [`Lease`] was let in by
//! [`crate::chat::model`].

use crate::UseCaseError;
use crate::models::Lease;
use rustygpt_model::contract::{Input, ModelError};
use rustygpt_model::engine::{AnyModel, LoadedModel};
use rustygpt_model::tokenizer::{Piece, Tokenizer};

/// The tokens that the model would read of an input; a conversation is rendered by its template.
///
/// # Errors
/// [`UseCaseError::Model`] with what [`LoadedModel::prompt`] refused.
pub async fn prompt(lease: &Lease, input: Input) -> Result<Vec<u32>, UseCaseError> {
    Ok(language(lease)?.prompt(input).await?)
}

/// The tokens of a text by itself: nothing stands before it.
///
/// # Errors
/// [`UseCaseError::Model`] for a model that does not go on with texts.
pub fn encode(lease: &Lease, text: &str) -> Result<Vec<u32>, UseCaseError> {
    Ok(language(lease)?.tokenizer().encode(text))
}

/// The text of tokens, control tokens left out.
///
/// # Errors
/// [`UseCaseError::Model`] for a token that the model does not have.
pub fn decode(lease: &Lease, tokens: &[u32]) -> Result<String, UseCaseError> {
    let tokenizer = language(lease)?.tokenizer();
    let known = tokenizer.vocabulary_size();
    if let Some(token) = tokens.iter().find(|&&token| token as usize >= known) {
        let message = format!("`tokens` has {token}, but this model has {known} tokens.");
        let param = "tokens";
        return Err(ModelError::Unsupported { param, message }.into());
    }
    Ok(tokenizer.decode(tokens))
}

/// The text of each token, control tokens by their names.
///
/// # Errors
/// [`UseCaseError::Model`] for a model that does not go on with texts.
pub fn names(lease: &Lease, tokens: &[u32]) -> Result<Vec<String>, UseCaseError> {
    let tokenizer = language(lease)?.tokenizer();
    let name = |&token| tokenizer.token_text(token).into_owned();
    Ok(tokens.iter().map(name).collect())
}

/// What the model reads, control tokens by their names, as one text.
///
/// # Errors
/// As [`prompt`].
pub async fn rendered(lease: &Lease, input: Input) -> Result<String, UseCaseError> {
    let tokens = prompt(lease, input).await?;
    let tokenizer = language(lease)?.tokenizer();
    // Joined as bytes: a character may be cut between tokens.
    let bytes: Vec<u8> = tokens
        .iter()
        .flat_map(|&token| tokenizer.token_bytes(token).into_owned())
        .collect();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a model reads that is to write what stands between two texts, in the order in which models
/// are trained for it: prefix, suffix, middle (Bavarian et al., "Efficient Training of Language
/// Models to Fill in the Middle", 2022).
///
/// # Errors
/// [`UseCaseError::Model`] when the model has no tokens for it.
pub fn fill_in_middle(lease: &Lease, prefix: &str, suffix: &str) -> Result<Input, UseCaseError> {
    let tokenizer = language(lease)?.tokenizer();
    Ok(Input::Tokens(middle(tokenizer, prefix, suffix)?))
}

/// Whether the model can fill in the middle.
#[must_use]
pub fn fills_in_middle(model: &AnyModel) -> bool {
    match model {
        AnyModel::Language(model) => model.tokenizer().fill_in_middle().is_some(),
        AnyModel::Embedding(_) => false,
    }
}

fn middle(tokenizer: &Tokenizer, prefix: &str, suffix: &str) -> Result<Vec<u32>, ModelError> {
    let Some(marks) = tokenizer.fill_in_middle() else {
        return Err(ModelError::Unsupported {
            param: "suffix",
            message:
                "This model has no tokens for filling in the middle; leave `suffix` out, or ask \
                      a model that was trained for it."
                    .to_owned(),
        });
    };
    let mut tokens = tokenizer.encode_pieces(&[
        Piece::Control(marks.prefix),
        Piece::Text(prefix.into()),
        Piece::Control(marks.suffix),
        Piece::Text(suffix.into()),
        Piece::Control(marks.middle),
    ]);
    if let Some(bos) = tokenizer.bos().filter(|_| tokenizer.adds_bos()) {
        tokens.insert(0, bos);
    }
    Ok(tokens)
}

fn language(lease: &Lease) -> Result<&LoadedModel, ModelError> {
    match lease.model() {
        AnyModel::Language(model) => Ok(model),
        // Nobody leases another kind for this.
        AnyModel::Embedding(_) => Err(ModelError::Internal("the model has no prompts".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vocabulary of single letters and the marks of Qwen2.5-Coder.
    fn coder() -> Tokenizer {
        let added = |id: u32, content: &str| {
            serde_json::json!({
                "id": id, "content": content, "special": true, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false,
            })
        };
        let json = serde_json::json!({
            "version": "1.0",
            "added_tokens": [
                added(4, "<|fim_prefix|>"), added(5, "<|fim_middle|>"), added(6, "<|fim_suffix|>"),
            ],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {
                "type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "d": 3}, "merges": [],
            },
        });
        Tokenizer::from_json(json.to_string().as_bytes(), None).unwrap()
    }

    #[test]
    fn the_middle_is_asked_for_as_models_learned_it() {
        assert_eq!(middle(&coder(), "ab", "cd").unwrap(), [4, 0, 1, 6, 2, 3, 5]);
        // At the end of a file nothing follows; at its beginning nothing stands before.
        assert_eq!(middle(&coder(), "ab", "").unwrap(), [4, 0, 1, 6, 5]);
        assert_eq!(middle(&coder(), "", "cd").unwrap(), [4, 6, 2, 3, 5]);
    }

    #[test]
    fn a_model_that_never_learned_it_says_so() {
        let refused = middle(&Tokenizer::bytes(), "ab", "cd").unwrap_err();
        assert!(matches!(
            refused,
            ModelError::Unsupported {
                param: "suffix",
                ..
            }
        ));
    }
}
