//! BERT's encoder (Devlin et al., 2018) and its kin RoBERTa and XLM-RoBERTa: every token sees every
//! other of its text, norms stand behind the residual sums.
//!
//! Texts of a call lie behind each other in one list of rows: nothing is padded, and only attention
//! knows where one text ends.

mod attention;
mod elementwise;

use super::batch::PhaseRun;
use super::hyperparameters::Hyperparameters;
use super::layer_norm::LayerNorm;
use super::load::{LoadError, Loader, architecture};
use super::names::Names;
use super::operations::{Input, Matrix};
use crate::contract::{Embed, EmbeddingShape, ForwardError, Phase, Pooling};
use crate::weights::{ModelFiles, Source};
use attention::{Attention, Span};
use candle_core::Result;
use elementwise::Activation;

/// Values of GGUF's `general.architecture`.
const GGUF: [&str; 1] = ["bert"];

/// Values of `architectures` in Hugging Face's `config.json`.
const HUGGING_FACE: [&str; 9] = [
    "BertModel",
    "BertForMaskedLM",
    "BertForPreTraining",
    "CamembertModel",
    "CamembertForMaskedLM",
    "RobertaModel",
    "RobertaForMaskedLM",
    "XLMRobertaModel",
    "XLMRobertaForMaskedLM",
];

/// Whether [`Encoder`] reads an architecture, by the name that its file gives it.
pub(crate) fn is_encoder(name: &str) -> bool {
    GGUF.contains(&name) || HUGGING_FACE.contains(&name)
}

/// A loaded encoder.
pub(crate) struct Encoder {
    words: Matrix,
    /// `context length × hidden`, one row per position; the first kind of segment is added already.
    positions: Vec<f32>,
    norm: LayerNorm,
    layers: Vec<Layer>,
    activation: Activation,
    heads: usize,
    pooling: Pooling,
    shape: EmbeddingShape,
}

struct Layer {
    /// Queries, keys and values, and what is added to them.
    projections: [Matrix; 3],
    biases: [Vec<f32>; 3],
    attention_output: Matrix,
    attention_output_bias: Vec<f32>,
    attention_norm: LayerNorm,
    up: Matrix,
    up_bias: Vec<f32>,
    down: Matrix,
    down_bias: Vec<f32>,
    output_norm: LayerNorm,
}

impl Encoder {
    /// Loads the tensors of an encoder, whose vectors are pooled by `pooling`.
    pub(crate) fn load(
        files: &ModelFiles,
        pooling: Pooling,
    ) -> std::result::Result<Self, LoadError> {
        let name = architecture(files)?;
        let (sizes, activation) = match files.source() {
            Source::Gguf(metadata) => (
                Hyperparameters::from_gguf(metadata, name)?,
                // The converter writes no activation: all BERTs that it knows have this one.
                Activation::Gelu,
            ),
            Source::HuggingFace(directory) => (
                Hyperparameters::from_huggingface(&directory.config)?,
                huggingface_activation(directory.config.get("hidden_act"))?,
            ),
        };
        let loader = Loader::new(files, Names::Encoder, sizes);
        let (layers, heads) = (loader.sizes.layers, loader.sizes.heads);
        let hidden = loader.sizes.hidden;
        if loader.sizes.head_dimension * heads != hidden {
            return Err(LoadError::Invalid(format!(
                "{heads} heads do not divide the width {hidden}"
            )));
        }
        let vocabulary = loader.vocabulary()?;
        let positions = positions(&loader)?;
        let shape = EmbeddingShape {
            vocabulary,
            context_length: positions.len() / hidden,
            dimensions: hidden,
        };
        Ok(Self {
            words: loader.matrix("token_embd.weight", vocabulary, hidden)?,
            positions,
            norm: LayerNorm::load(&loader, "token_embd_norm", hidden)?,
            layers: (0..layers)
                .map(|index| Layer::load(&loader, index))
                .collect::<std::result::Result<_, _>>()?,
            activation,
            heads,
            pooling,
            shape,
        })
    }

    /// The last layer's output, `tokens × hidden`.
    fn hidden(&self, ids: &[u32], spans: &[Span]) -> Result<Vec<f32>> {
        let (rows, hidden) = (ids.len(), self.shape.dimensions);
        let mut x = table(&self.words, ids, hidden)?;
        for span in spans {
            let rows = &mut x[span.first * hidden..(span.first + span.rows) * hidden];
            for (value, position) in rows.iter_mut().zip(&self.positions) {
                *value += position;
            }
        }
        self.norm.apply(&mut x);
        for layer in &self.layers {
            let mut products = Vec::with_capacity(3);
            for projection in &layer.projections {
                products.push(multiply(projection, &x, rows)?);
            }
            let attention = Attention {
                spans,
                heads: self.heads,
                hidden,
                queries: (&products[0], &layer.biases[0]),
                keys: (&products[1], &layer.biases[1]),
                values: (&products[2], &layer.biases[2]),
            };
            let attended = multiply(&layer.attention_output, &attention.attend(), rows)?;
            (layer.attention_norm).add_and_apply(&mut x, &attended, &layer.attention_output_bias);

            let mut up = multiply(&layer.up, &x, rows)?;
            self.activation.apply(&mut up, &layer.up_bias);
            let down = multiply(&layer.down, &up, rows)?;
            layer
                .output_norm
                .add_and_apply(&mut x, &down, &layer.down_bias);
        }
        Ok(x)
    }
}

impl Layer {
    fn load(loader: &Loader<'_>, index: usize) -> std::result::Result<Self, LoadError> {
        let hidden = loader.sizes.hidden;
        let name = |part: &str| format!("blk.{index}.{part}");
        let inner = loader.extent(&name("ffn_up.weight"), 0)?;
        if inner == 0 {
            return Err(LoadError::Invalid(name("ffn_up.weight") + " has no rows"));
        }
        let bias = |part: &str, width: usize| {
            let bias = loader.optional_vector(&name(&format!("{part}.bias")), width)?;
            Ok::<_, LoadError>(bias.unwrap_or_else(|| vec![0.0; width]))
        };
        let matrix = |part: &str, outputs: usize, inputs: usize| {
            loader.matrix(&name(&format!("{part}.weight")), outputs, inputs)
        };
        let projection = |part: &str| matrix(part, hidden, hidden);
        Ok(Self {
            projections: [
                projection("attn_q")?,
                projection("attn_k")?,
                projection("attn_v")?,
            ],
            biases: [
                bias("attn_q", hidden)?,
                bias("attn_k", hidden)?,
                bias("attn_v", hidden)?,
            ],
            attention_output: matrix("attn_output", hidden, hidden)?,
            attention_output_bias: bias("attn_output", hidden)?,
            attention_norm: LayerNorm::load(loader, &name("attn_output_norm"), hidden)?,
            up: matrix("ffn_up", inner, hidden)?,
            up_bias: bias("ffn_up", inner)?,
            down: matrix("ffn_down", hidden, inner)?,
            down_bias: bias("ffn_down", hidden)?,
            output_norm: LayerNorm::load(loader, &name("layer_output_norm"), hidden)?,
        })
    }
}

/// What is added to the words of a text, position by position.
fn positions(loader: &Loader<'_>) -> std::result::Result<Vec<f32>, LoadError> {
    let hidden = loader.sizes.hidden;
    let rows = loader.extent("position_embd.weight", 0)?;
    // RoBERTa counts positions from behind its padding token; llama.cpp's converter cuts those
    // rows off.
    let offset = match loader.source() {
        Source::Gguf(_) => 0,
        Source::HuggingFace(directory) => {
            let config = &directory.config;
            let kind = config
                .get("position_embedding_type")
                .and_then(|k| k.as_str());
            if let Some(kind) = kind.filter(|kind| *kind != "absolute") {
                let what = format!("position_embedding_type '{kind}'");
                return Err(LoadError::Unsupported(what));
            }
            let counts_behind_padding = ["roberta", "camembert", "xlm-roberta"];
            let kind = config.get("model_type").and_then(|kind| kind.as_str());
            match kind.filter(|kind| counts_behind_padding.contains(kind)) {
                Some(_) => {
                    let padding = config.get("pad_token_id").and_then(|id| id.as_u64());
                    padding.unwrap_or(1) as usize + 1
                }
                None => 0,
            }
        }
    };
    if offset >= rows {
        return Err(LoadError::Invalid(format!(
            "{rows} positions, of which {offset} are not used"
        )));
    }
    let matrix = loader.matrix("position_embd.weight", rows, hidden)?;
    let ids: Vec<u32> = (offset..rows).map(|row| row as u32).collect();
    let mut values = table(&matrix, &ids, hidden)?;
    if loader.has("token_types.weight") {
        let kinds = loader.extent("token_types.weight", 0)?;
        let kinds = loader.matrix("token_types.weight", kinds, hidden)?;
        // A lone text is wholly of the first kind.
        let first = table(&kinds, &[0], hidden)?;
        for row in values.chunks_exact_mut(hidden) {
            for (value, first) in row.iter_mut().zip(&first) {
                *value += first;
            }
        }
    }
    Ok(values)
}

/// The rows of a matrix by their numbers.
fn table(matrix: &Matrix, ids: &[u32], width: usize) -> Result<Vec<f32>> {
    let mut rows = vec![0.0; ids.len() * width];
    matrix.rows(ids, &mut rows)?;
    Ok(rows)
}

/// `x · Wᵀ`, where `x` has so many rows.
fn multiply(matrix: &Matrix, x: &[f32], rows: usize) -> Result<Vec<f32>> {
    let phases = [PhaseRun {
        phase: Phase::Prompt,
        rows,
    }];
    let mut product = vec![0.0; rows * matrix.outputs()];
    let input = Input {
        values: x,
        phases: &phases,
    };
    matrix.multiply(input, &mut product)?;
    Ok(product)
}

fn huggingface_activation(
    name: Option<&serde_json::Value>,
) -> std::result::Result<Activation, LoadError> {
    match name.and_then(|name| name.as_str()) {
        None | Some("gelu") => Ok(Activation::Gelu),
        Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => Ok(Activation::GeluTanh),
        Some("relu") => Ok(Activation::Relu),
        Some(other) => Err(LoadError::Unsupported(format!("the activation '{other}'"))),
    }
}

impl Embed for Encoder {
    fn shape(&self) -> EmbeddingShape {
        self.shape
    }

    fn embed(&mut self, texts: &[&[u32]]) -> std::result::Result<Vec<Vec<f32>>, ForwardError> {
        let EmbeddingShape {
            vocabulary,
            context_length,
            dimensions,
        } = self.shape;
        let mut ids = Vec::with_capacity(texts.iter().map(|text| text.len()).sum());
        let mut spans = Vec::with_capacity(texts.len());
        for text in texts {
            let is_known = |&id: &u32| (id as usize) < vocabulary;
            if text.is_empty() || text.len() > context_length || !text.iter().all(is_known) {
                let reason = format!("a text of {} tokens of {context_length}", text.len());
                return Err(ForwardError::InvalidPlan(reason));
            }
            spans.push(Span {
                first: ids.len(),
                rows: text.len(),
            });
            ids.extend_from_slice(text);
        }
        if spans.is_empty() {
            return Ok(Vec::new());
        }
        let hidden = self.hidden(&ids, &spans);
        let hidden = hidden.map_err(|error| ForwardError::Device(Box::new(error)))?;
        let pooled = spans.iter().map(|span| {
            let rows = span.first * dimensions..(span.first + span.rows) * dimensions;
            pool(self.pooling, &hidden[rows], dimensions)
        });
        Ok(pooled.collect())
    }
}

/// One vector out of a text's, `rows × width`.
pub(crate) fn pool(pooling: Pooling, rows: &[f32], width: usize) -> Vec<f32> {
    match pooling {
        Pooling::First => rows[..width].to_vec(),
        Pooling::Last => rows[rows.len() - width..].to_vec(),
        Pooling::Mean => {
            let mut sums = vec![0f64; width];
            for row in rows.chunks_exact(width) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += f64::from(*value);
                }
            }
            let count = (rows.len() / width) as f64;
            sums.into_iter().map(|sum| (sum / count) as f32).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_takes_the_rows_that_the_model_says() {
        let rows = [1.0, 2.0, 3.0, 6.0, 5.0, 1.0];
        assert_eq!(pool(Pooling::Mean, &rows, 2), [3.0, 3.0]);
        assert_eq!(pool(Pooling::First, &rows, 2), [1.0, 2.0]);
        assert_eq!(pool(Pooling::Last, &rows, 2), [5.0, 1.0]);
    }
}
