//! [`describe`]: what a model's headers say of it.

use crate::weights::{ElementType, Metadata, ModelFiles, Purpose, Source, TensorInfo, purpose};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is known of a model without loading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The name its authors gave it.
    pub name: Option<String>,
    /// The architecture's name in the file, for example `llama`; empty where none is given.
    pub architecture: String,
    /// What it is for, or why it can be used for nothing here.
    pub purpose: Result<Purpose, String>,
    /// Number of weights.
    pub parameters: u64,
    /// The type that most weights of the layers have, for example `Q4_K` or `BF16`; `none` without
    /// weights.
    pub quantization: String,
    /// Bytes of weights.
    pub weight_bytes: u64,
    /// Positions the model was trained for.
    pub trained_context_length: Option<usize>,
    /// Number of tokens.
    pub vocabulary: Option<usize>,
    /// Number of layers.
    pub layers: Option<usize>,
    /// Whether the model has a chat template of its own.
    pub has_chat_template: bool,
}

/// Reads what the headers say.
#[must_use]
pub fn describe(files: &ModelFiles) -> Summary {
    let told = match files.source() {
        Source::Gguf(metadata) => told_by_metadata(metadata),
        Source::HuggingFace(directory) => told_by_config(&directory.config),
    };
    Summary {
        parameters: files
            .tensors()
            .fold(0, |sum, tensor| sum.saturating_add(tensor.elements())),
        quantization: prevailing_type(files)
            .map_or("none", ElementType::name)
            .to_owned(),
        weight_bytes: files.weight_bytes(),
        purpose: purpose(files.source()),
        has_chat_template: files.chat_template("default").is_some(),
        ..told
    }
}

/// The element type of most weights. Embeddings and the output layer count only where there is
/// nothing else: quantisers treat them apart, and in a small model they outweigh the layers.
fn prevailing_type(files: &ModelFiles) -> Option<ElementType> {
    const APART: [&str; 4] = ["token_embd", "output.weight", "embed_tokens", "lm_head"];
    let is_apart = |tensor: &TensorInfo| {
        let name = tensor.name.trim_start_matches("model.");
        APART.iter().any(|apart| name.starts_with(apart))
    };
    let most = |tensors: &mut dyn Iterator<Item = &TensorInfo>| {
        let mut elements: BTreeMap<ElementType, u64> = BTreeMap::new();
        for tensor in tensors {
            let count = elements.entry(tensor.element_type).or_default();
            *count = count.saturating_add(tensor.elements());
        }
        let most = elements.into_iter().max_by_key(|(_, count)| *count);
        most.map(|(element_type, _)| element_type)
    };
    most(&mut files.tensors().filter(|tensor| !is_apart(tensor)))
        .or_else(|| most(&mut files.tensors()))
}

/// A summary that says nothing of tensors yet.
fn untold(architecture: &str) -> Summary {
    Summary {
        name: None,
        architecture: architecture.to_owned(),
        purpose: Ok(Purpose::Language),
        parameters: 0,
        quantization: String::new(),
        weight_bytes: 0,
        trained_context_length: None,
        vocabulary: None,
        layers: None,
        has_chat_template: false,
    }
}

fn told_by_metadata(metadata: &Metadata) -> Summary {
    let architecture = metadata.string("general.architecture").unwrap_or_default();
    let size = |key: &str| {
        let value = metadata.unsigned(&format!("{architecture}.{key}"))?;
        usize::try_from(value).ok()
    };
    let tokens = metadata.strings("tokenizer.ggml.tokens");
    Summary {
        name: metadata.string("general.name").map(str::to_owned),
        trained_context_length: size("context_length"),
        vocabulary: tokens.map(<[String]>::len).or_else(|| size("vocab_size")),
        layers: size("block_count"),
        ..untold(architecture)
    }
}

fn told_by_config(config: &Value) -> Summary {
    // Multimodal models keep the language model's values one level deeper.
    let size = |key: &str| {
        let nested = || config.get("text_config")?.get(key);
        let value = config.get(key).or_else(nested)?.as_u64()?;
        usize::try_from(value).ok()
    };
    let architecture = config
        .get("model_type")
        .or_else(|| config.get("architectures")?.get(0))
        .and_then(Value::as_str);
    Summary {
        name: config
            .get("_name_or_path")
            .and_then(Value::as_str)
            .map(str::to_owned),
        trained_context_length: size("max_position_embeddings"),
        vocabulary: size("vocab_size"),
        layers: size("num_hidden_layers"),
        ..untold(architecture.unwrap_or_default())
    }
}
