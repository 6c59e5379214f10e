//! What a model's own files say about how to generate.

use super::Source;
use crate::contract::{GenerationDefaults, Sampling};
use serde_json::Value;

/// Sampling and stop defaults: GGUF's `general.sampling.*` keys, or Hugging Face's
/// `generation_config.json`. The tokenizer's own ending tokens are not repeated here.
///
/// Values that no sampler could use (a negative temperature, a `top_p` of 0) are left out, as if
/// the file had not named them.
#[must_use]
pub fn generation_defaults(source: &Source) -> GenerationDefaults {
    match source {
        Source::Gguf(metadata) => {
            let number = |name: &str| metadata.float(&format!("general.sampling.{name}"));
            GenerationDefaults {
                sampling: sampling(&number, ["temp", "penalty_repeat"]),
                stop_token_ids: Vec::new(),
            }
        }
        Source::HuggingFace(directory) => {
            let Some(config) = &directory.generation_config else {
                return GenerationDefaults {
                    sampling: Sampling::default(),
                    stop_token_ids: ids(directory.config.get("eos_token_id")),
                };
            };
            let number = |name: &str| config.get(name).and_then(Value::as_f64);
            let stop = config
                .get("eos_token_id")
                .or_else(|| directory.config.get("eos_token_id"));
            GenerationDefaults {
                sampling: sampling(&number, ["temperature", "repetition_penalty"]),
                stop_token_ids: ids(stop),
            }
        }
    }
}

/// `names` are the file's words for the temperature and the repetition penalty.
fn sampling(number: &dyn Fn(&str) -> Option<f64>, names: [&str; 2]) -> Sampling {
    let within = |name: &str, low: f64, high: f64| {
        number(name)
            .filter(|value| (low..=high).contains(value))
            .map(|value| value as f32)
    };
    let [temperature, repetition] = names;
    Sampling {
        temperature: within(temperature, 0.0, 100.0),
        top_p: within("top_p", f64::MIN_POSITIVE, 1.0),
        top_k: within("top_k", 0.0, f64::from(u32::MAX)).map(|value| value as u32),
        min_p: within("min_p", 0.0, 1.0),
        typical_p: within("typical_p", f64::MIN_POSITIVE, 1.0),
        repetition_penalty: within(repetition, f64::MIN_POSITIVE, 100.0),
        ..Sampling::default()
    }
}

/// One id or a list of them.
fn ids(value: Option<&Value>) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Some(Value::Array(values)) => values.iter().filter_map(id).collect(),
        Some(value) => id(value).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{Metadata, MetadataValue};

    #[test]
    fn gguf_keys_become_sampling_defaults_and_nonsense_is_left_out() {
        let metadata = Metadata::new(
            [
                ("general.sampling.temp".to_owned(), MetadataValue::F32(0.5)),
                ("general.sampling.top_k".to_owned(), MetadataValue::I32(20)),
                ("general.sampling.top_p".to_owned(), MetadataValue::F32(0.0)),
            ]
            .into_iter()
            .collect(),
        );
        let defaults = generation_defaults(&Source::Gguf(metadata));
        assert_eq!(defaults.sampling.temperature, Some(0.5));
        assert_eq!(defaults.sampling.top_k, Some(20));
        assert_eq!(defaults.sampling.top_p, None, "top_p 0 allows no token");
    }

    #[test]
    fn ending_tokens_may_be_one_or_many() {
        assert_eq!(ids(Some(&serde_json::json!(2))), [2]);
        assert_eq!(ids(Some(&serde_json::json!([1, 106]))), [1, 106]);
        assert!(ids(Some(&serde_json::json!("</s>"))).is_empty());
    }
}
