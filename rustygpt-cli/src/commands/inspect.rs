//! `rustygpt inspect`: what is in a model file, without loading it.

use crate::arguments::InspectArguments;
use crate::output::{self, harmless, human_bytes};
use anyhow::Result;
use rustygpt_model::weights::{
    MetadataArray, MetadataValue, ModelFiles, Purpose, Source, TensorInfo, purpose,
};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::process::ExitCode;

/// Of an array this many elements are shown; a vocabulary has a hundred thousand.
const SHOWN_ELEMENTS: usize = 8;
/// Of a text this many characters are shown to people; a chat template has thousands.
const SHOWN_CHARACTERS: usize = 100;

pub(crate) fn run(arguments: &InspectArguments) -> Result<ExitCode> {
    let files = ModelFiles::open(&arguments.file)?;
    let metadata = metadata(files.source());
    let mut out = output::stdout();
    if arguments.json {
        let tensors: Vec<Value> = files.tensors().map(tensor).collect();
        let object = json!({
            "path": files.path(),
            "format": format_name(files.source()),
            "kind": purpose(files.source()).ok().map(Purpose::name),
            "parameters": files.tensors().map(TensorInfo::elements).sum::<u64>(),
            "weight_bytes": weight_bytes(&files),
            "metadata": metadata,
            "tensors": tensors,
        });
        writeln!(out, "{}", serde_json::to_string_pretty(&object)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "{}: {}",
        files.path().display(),
        format_name(files.source())
    )?;
    match purpose(files.source()) {
        Ok(Purpose::Language) => writeln!(out, "language model")?,
        Ok(Purpose::Embedding(pooling)) => {
            writeln!(out, "embedding model, pooling: {}", pooling.name())?;
        }
        Err(reason) => writeln!(out, "cannot be used: {}", harmless(&reason))?,
    }
    let parameters = files.tensors().map(TensorInfo::elements).sum::<u64>();
    let bytes = human_bytes(weight_bytes(&files));
    writeln!(
        out,
        "{parameters} parameters in {} tensors, {bytes}",
        files.tensors().len()
    )?;
    writeln!(out, "\nMetadata:")?;
    for (key, value) in &metadata {
        writeln!(
            out,
            "  {} = {}",
            harmless(key),
            harmless(&shortened(&value.to_string()))
        )?;
    }
    writeln!(out, "\nTensors:")?;
    for info in files.tensors() {
        let shape: Vec<String> = info.shape.iter().map(ToString::to_string).collect();
        let (name, kind) = (harmless(&info.name), info.element_type.name());
        let bytes = human_bytes(info.byte_length);
        writeln!(out, "  {name}  {kind}  [{}]  {bytes}", shape.join(", "))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn format_name(source: &Source) -> &'static str {
    match source {
        Source::Gguf(_) => "GGUF",
        Source::HuggingFace(_) => "Hugging Face directory",
    }
}

fn weight_bytes(files: &ModelFiles) -> u64 {
    files.tensors().map(|info| info.byte_length).sum()
}

fn tensor(info: &TensorInfo) -> Value {
    json!({
        "name": info.name,
        "type": info.element_type.name(),
        "shape": info.shape,
        "bytes": info.byte_length,
    })
}

fn metadata(source: &Source) -> Map<String, Value> {
    match source {
        Source::Gguf(metadata) => metadata
            .iter()
            .map(|(key, value)| (key.to_owned(), json_value(value)))
            .collect(),
        Source::HuggingFace(directory) => match &directory.config {
            Value::Object(config) => config.clone(),
            _ => Map::new(),
        },
    }
}

fn json_value(value: &MetadataValue) -> Value {
    match value {
        MetadataValue::U8(value) => json!(value),
        MetadataValue::I8(value) => json!(value),
        MetadataValue::U16(value) => json!(value),
        MetadataValue::I16(value) => json!(value),
        MetadataValue::U32(value) => json!(value),
        MetadataValue::I32(value) => json!(value),
        MetadataValue::U64(value) => json!(value),
        MetadataValue::I64(value) => json!(value),
        MetadataValue::F32(value) => json!(value),
        MetadataValue::F64(value) => json!(value),
        MetadataValue::Bool(value) => json!(value),
        MetadataValue::String(value) => json!(value),
        MetadataValue::Array(array) => json_array(array),
    }
}

/// An array's element type, length and first elements.
fn json_array(array: &MetadataArray) -> Value {
    fn first<T: serde::Serialize>(kind: &str, values: &[T]) -> Value {
        let first: Vec<Value> = values
            .iter()
            .take(SHOWN_ELEMENTS)
            .map(|v| json!(v))
            .collect();
        json!({ "array_of": kind, "length": values.len(), "first": first })
    }
    match array {
        MetadataArray::U8(values) => first("u8", values),
        MetadataArray::I8(values) => first("i8", values),
        MetadataArray::U16(values) => first("u16", values),
        MetadataArray::I16(values) => first("i16", values),
        MetadataArray::U32(values) => first("u32", values),
        MetadataArray::I32(values) => first("i32", values),
        MetadataArray::U64(values) => first("u64", values),
        MetadataArray::I64(values) => first("i64", values),
        MetadataArray::F32(values) => first("f32", values),
        MetadataArray::F64(values) => first("f64", values),
        MetadataArray::Bool(values) => first("bool", values),
        MetadataArray::String(values) => first("string", values),
        MetadataArray::Array(values) => {
            json!({ "array_of": "array", "length": values.len(), "first": [] })
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
