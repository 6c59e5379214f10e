//! [`purpose`]: whether a model answers or embeds, as its own files say.

use super::Source;
use crate::contract::Pooling;
use serde_json::Value;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It goes on with a text.
    Language,
    /// It turns a text into a vector.
    Embedding(Pooling),
}

impl Purpose {
    /// The name people know, as [`ModelKind::name`](crate::contract::ModelKind::name).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Language => "language",
            Self::Embedding(_) => "embedding",
        }
    }
}

/// Encoders: what they are for goes without saying. (Whether we can run one is another question.)
const ENCODERS: [&str; 9] = [
    "bert",
    "eurobert",
    "gemma-embedding",
    "jina-bert-v2",
    "jina-bert-v3",
    "modern-bert",
    "neo-bert",
    "nomic-bert",
    "nomic-bert-moe",
];

/// What a model is for: GGUF's `pooling_type`, the modules of sentence-transformers, or that its
/// architecture is an encoder's; an encoder that does not say how it pools takes the mean, as
/// sentence-transformers does with one.
///
/// # Errors
/// A sentence that names what the model needs and we do not have.
pub fn purpose(source: &Source) -> Result<Purpose, String> {
    match source {
        Source::Gguf(metadata) => {
            let architecture = metadata.string("general.architecture").unwrap_or_default();
            // llama.cpp's enum of pooling types.
            match metadata.unsigned(&format!("{architecture}.pooling_type")) {
                None | Some(0) if ENCODERS.contains(&architecture) => {
                    Ok(Purpose::Embedding(Pooling::Mean))
                }
                None | Some(0) => Ok(Purpose::Language),
                Some(1) => Ok(Purpose::Embedding(Pooling::Mean)),
                Some(2) => Ok(Purpose::Embedding(Pooling::First)),
                Some(3) => Ok(Purpose::Embedding(Pooling::Last)),
                Some(4) => Err("it ranks texts, and ranking is not supported".to_owned()),
                Some(other) => Err(format!("its way of pooling ({other}) is not known")),
            }
        }
        Source::HuggingFace(directory) => match &directory.sentence_modules {
            Some(modules) => {
                let mut pooling = Pooling::Mean;
                for module in modules {
                    match module.class.as_str() {
                        // Every vector of ours has length 1, whether the model asks for it or not.
                        "Transformer" | "Normalize" => {}
                        "Pooling" => pooling = declared(module.config.as_ref())?,
                        other => {
                            return Err(format!(
                                "its module {other} (modules.json) is not supported"
                            ));
                        }
                    }
                }
                Ok(Purpose::Embedding(pooling))
            }
            None if is_encoder(&directory.config) => Ok(Purpose::Embedding(Pooling::Mean)),
            None => Ok(Purpose::Language),
        },
    }
}

/// The way of pooling in the config of sentence-transformers' `Pooling`.
fn declared(config: Option<&Value>) -> Result<Pooling, String> {
    let Some(Value::Object(config)) = config else {
        return Ok(Pooling::Mean);
    };
    let mut modes: Vec<&str> = config
        .iter()
        .filter(|(_, value)| **value == Value::Bool(true))
        .filter_map(|(key, _)| key.strip_prefix("pooling_mode_"))
        .collect();
    // Newer files say it in one word, or in a list of them.
    match config.get("pooling_mode") {
        Some(Value::String(mode)) => modes.push(mode),
        Some(Value::Array(list)) => modes.extend(list.iter().filter_map(Value::as_str)),
        _ => {}
    }
    match modes.as_slice() {
        [] | ["mean_tokens" | "mean"] => Ok(Pooling::Mean),
        ["cls_token" | "cls"] => Ok(Pooling::First),
        ["lasttoken"] => Ok(Pooling::Last),
        others => Err(format!(
            "its way of pooling ({}) is not supported; mean, cls and last are",
            others.join(" and ")
        )),
    }
}

/// A bare encoder, as `AutoModel` saves it, or one with the head it was pre-trained with.
fn is_encoder(config: &Value) -> bool {
    let name = config
        .get("architectures")
        .and_then(|names| names.get(0))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_bare = ["Model", "ForMaskedLM", "ForPreTraining"]
        .iter()
        .any(|end| name.ends_with(end));
    is_bare && name.to_ascii_lowercase().contains("bert")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{HuggingFaceDirectory, Metadata, MetadataValue, SentenceModule};
    use serde_json::json;

    fn gguf(architecture: &str, pooling: Option<u32>) -> Source {
        let mut entries = vec![(
            "general.architecture".to_owned(),
            MetadataValue::String(architecture.to_owned()),
        )];
        if let Some(pooling) = pooling {
            let key = format!("{architecture}.pooling_type");
            entries.push((key, MetadataValue::U32(pooling)));
        }
        Source::Gguf(Metadata::new(entries.into_iter().collect()))
    }

    fn directory(architecture: &str, modules: Option<Vec<(&str, Value)>>) -> Source {
        Source::HuggingFace(HuggingFaceDirectory {
            config: json!({ "architectures": [architecture] }),
            sentence_modules: modules.map(|modules| {
                modules
                    .into_iter()
                    .map(|(class, config)| SentenceModule {
                        class: class.to_owned(),
                        config: Some(config),
                    })
                    .collect()
            }),
            ..HuggingFaceDirectory::default()
        })
    }

    #[test]
    fn gguf_files_say_how_they_pool() {
        let embeds = |pooling| Ok(Purpose::Embedding(pooling));
        assert_eq!(purpose(&gguf("llama", None)), Ok(Purpose::Language));
        assert_eq!(purpose(&gguf("qwen3", Some(0))), Ok(Purpose::Language));
        assert_eq!(purpose(&gguf("qwen3", Some(3))), embeds(Pooling::Last));
        assert_eq!(purpose(&gguf("bert", None)), embeds(Pooling::Mean));
        assert_eq!(purpose(&gguf("bert", Some(2))), embeds(Pooling::First));
        assert!(
            purpose(&gguf("bert", Some(4)))
                .unwrap_err()
                .contains("rank")
        );
    }

    #[test]
    fn sentence_transformers_says_how_it_pools() {
        let pooled = |config: Value| {
            purpose(&directory(
                "BertModel",
                Some(vec![
                    ("Transformer", Value::Null),
                    ("Pooling", config),
                    ("Normalize", Value::Null),
                ]),
            ))
        };
        let embeds = |pooling| Ok(Purpose::Embedding(pooling));
        assert_eq!(
            pooled(json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})),
            embeds(Pooling::First)
        );
        assert_eq!(
            pooled(json!({"pooling_mode_mean_tokens": true, "include_prompt": true})),
            embeds(Pooling::Mean)
        );
        assert_eq!(
            pooled(json!({"pooling_mode": "lasttoken"})),
            embeds(Pooling::Last)
        );
        let both = json!({"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true});
        assert!(
            pooled(both)
                .unwrap_err()
                .contains("cls_token and max_tokens")
        );
        let dense = directory("BertModel", Some(vec![("Dense", Value::Null)]));
        assert!(purpose(&dense).unwrap_err().contains("Dense"));
    }

    #[test]
    fn a_bare_encoder_embeds_and_a_decoder_answers() {
        for name in ["BertModel", "XLMRobertaModel", "RobertaForMaskedLM"] {
            let embeds = Ok(Purpose::Embedding(Pooling::Mean));
            assert_eq!(purpose(&directory(name, None)), embeds, "{name}");
        }
        for name in [
            "Qwen3ForCausalLM",
            "BertForSequenceClassification",
            "LlamaModel",
        ] {
            assert_eq!(
                purpose(&directory(name, None)),
                Ok(Purpose::Language),
                "{name}"
            );
        }
    }
}
