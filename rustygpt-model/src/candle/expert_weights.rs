//! The weights of experts, in every arrangement that files have: stacked in one tensor for all of
//! them (GGUF), a tensor for each (Qwen), or stacked with gate and up in turns (gpt-oss).

use super::elementwise::Activation;
use super::feed_forward::Gated;
use super::hyperparameters::ExpertSizes;
use super::load::{LoadError, Loader};
use super::operations::{Linear, Matrix, Projections};
use crate::weights::{ElementType, TensorInfo};

/// Numbers of an MXFP4 block, which share a scale.
const MXFP4_BLOCK: usize = 32;

/// One of the three linear maps of every expert.
struct Maps {
    matrices: Vec<Matrix>,
    /// One per expert, or none at all.
    biases: Vec<Vec<f32>>,
}

impl Maps {
    fn into_linears(self) -> impl Iterator<Item = Linear> {
        let mut biases = self.biases.into_iter();
        let linear = move |weights| Linear {
            weights,
            bias: biases.next(),
        };
        self.matrices.into_iter().map(linear)
    }
}

/// The feed-forward networks of a layer's experts.
pub(super) fn load(
    loader: &Loader<'_>,
    index: usize,
    sizes: ExpertSizes,
    activation: Activation,
) -> Result<Vec<Gated>, LoadError> {
    let hidden = loader.sizes.hidden;
    // The parts are Hugging Face's own: names that are not known are left as they are.
    let all = format!("blk.{index}.mlp.experts.");
    let (width, [gates, ups, downs]) = if !loader.is_huggingface() {
        let width = loader.extent(&format!("blk.{index}.ffn_down_exps.weight"), 2)?;
        let stacked = |part: &str, outputs, inputs| {
            stacked(
                loader,
                &format!("blk.{index}.{part}_exps"),
                sizes.count,
                outputs,
                inputs,
            )
        };
        let maps = [
            stacked("ffn_gate", width, hidden)?,
            stacked("ffn_up", width, hidden)?,
            stacked("ffn_down", hidden, width)?,
        ];
        (width, maps)
    } else if loader.has(&format!("{all}gate_up_proj_bias")) {
        let width = loader.extent(&format!("{all}gate_up_proj_bias"), 1)? / 2;
        if width == 0 {
            return Err(LoadError::Invalid(format!(
                "{all}gate_up_proj_bias is empty"
            )));
        }
        (width, in_turns(loader, &all, sizes.count, hidden, width)?)
    } else {
        let width = loader.extent(&format!("{all}0.down_proj.weight"), 1)?;
        let apart = |part: &str, outputs, inputs| {
            let name = |expert| format!("{all}{expert}.{part}_proj.weight");
            let matrices = (0..sizes.count)
                .map(|expert| loader.matrix(&name(expert), outputs, inputs))
                .collect::<Result<_, _>>()?;
            let biases = Vec::new();
            Ok::<_, LoadError>(Maps { matrices, biases })
        };
        let maps = [
            apart("gate", width, hidden)?,
            apart("up", width, hidden)?,
            apart("down", hidden, width)?,
        ];
        (width, maps)
    };
    let parts = gates
        .into_linears()
        .zip(ups.into_linears())
        .zip(downs.into_linears());
    let experts = parts.map(|((gate, up), down)| Gated {
        gate_up: Projections::Separate(Box::new([gate, up])),
        down,
        width,
        activation,
    });
    Ok(experts.collect())
}

/// Matrices of `outputs × inputs` that a file holds stacked in one tensor, and their biases if it
/// has any.
fn stacked(
    loader: &Loader<'_>,
    stem: &str,
    count: usize,
    outputs: usize,
    inputs: usize,
) -> Result<Maps, LoadError> {
    let info = loader.require(&format!("{stem}.weight"), &[count, outputs, inputs])?;
    let bytes = loader.bytes(info)?;
    if count == 0 || bytes.is_empty() || !bytes.len().is_multiple_of(count) {
        return Err(LoadError::Invalid(format!(
            "{} cannot be cut into {count} matrices",
            info.name
        )));
    }
    let matrices = bytes
        .chunks_exact(bytes.len() / count)
        .map(|bytes| loader.weights(&info.name, info.element_type, bytes, outputs, inputs))
        .collect::<Result<_, _>>();
    loader.done(info);
    let bias = format!("{stem}.bias");
    let biases = match loader.has(&bias) {
        true => rows(&loader.numbers(&bias, &[count, outputs])?, outputs),
        false => Vec::new(),
    };
    Ok(Maps {
        matrices: matrices?,
        biases,
    })
}

/// Bytes that a tensor of gpt-oss's own files takes once it is packed; `None` for others.
pub(super) fn packed_bytes(info: &TensorInfo) -> Option<u64> {
    let (_, part) = info.name.rsplit_once(".mlp.experts.")?;
    let (count, outputs, inputs) = match (part.strip_suffix("_blocks"), info.shape.as_slice()) {
        (Some(_), &[count, outputs, row, _]) => (count, outputs, row * MXFP4_BLOCK),
        (None, &[count, inputs, outputs]) if part.ends_with("_proj") => (count, outputs, inputs),
        // In the packed matrix they stand among the numbers.
        _ if part.ends_with("_scales") => return Some(0),
        _ => return None,
    };
    let matrices = match part.starts_with("gate_up") {
        true => 2,
        false => 1,
    };
    let element_type = match part.ends_with("_blocks") {
        true => ElementType::MXFP4,
        false => info.element_type,
    };
    let bytes = Matrix::packed_bytes(element_type, outputs / matrices, inputs)?;
    Some(bytes.saturating_mul((count * matrices) as u64))
}

fn rows(values: &[f32], width: usize) -> Vec<Vec<f32>> {
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

/// gpt-oss's arrangement: gate and up are the even and the odd outputs of one map.
fn in_turns(
    loader: &Loader<'_>,
    all: &str,
    count: usize,
    hidden: usize,
    width: usize,
) -> Result<[Maps; 3], LoadError> {
    let biases = |part: &str, outputs: usize| {
        loader.numbers(&format!("{all}{part}_bias"), &[count, outputs])
    };
    let maps = |part: &str, biases: &[f32], outputs: usize, inputs: usize, first, step| {
        let stem = format!("{all}{part}");
        let from = Turns {
            count,
            outputs: outputs * step,
            inputs,
            first,
            step,
        };
        let wanted = |row: &[f32]| row.iter().skip(first).step_by(step).copied().collect();
        Ok::<_, LoadError>(Maps {
            matrices: match loader.has(&format!("{stem}_blocks")) {
                true => from.blocks(loader, &stem)?,
                false => from.numbers(loader, &stem)?,
            },
            biases: biases.chunks_exact(outputs * step).map(wanted).collect(),
        })
    };
    let (both, last) = (
        biases("gate_up_proj", 2 * width)?,
        biases("down_proj", hidden)?,
    );
    Ok([
        maps("gate_up_proj", &both, width, hidden, 0, 2)?,
        maps("gate_up_proj", &both, width, hidden, 1, 2)?,
        maps("down_proj", &last, hidden, width, 0, 1)?,
    ])
}

/// Which outputs of stacked maps are wanted.
struct Turns {
    count: usize,
    /// All outputs of a map.
    outputs: usize,
    inputs: usize,
    /// The first that is wanted.
    first: usize,
    /// From one that is wanted to the next.
    step: usize,
}

impl Turns {
    fn wanted(&self) -> impl Iterator<Item = usize> + use<> {
        (self.first..self.outputs).step_by(self.step)
    }

    /// From MXFP4: `<stem>_scales`, a byte per block, and `<stem>_blocks`, of whose bytes each
    /// holds two neighbouring numbers. GGUF puts the halves of a block into the halves of its bytes.
    fn blocks(&self, loader: &Loader<'_>, stem: &str) -> Result<Vec<Matrix>, LoadError> {
        let row = self.inputs / MXFP4_BLOCK;
        let shape = [self.count, self.outputs, row, MXFP4_BLOCK / 2];
        let info = loader.require(&format!("{stem}_blocks"), &shape)?;
        let scales = loader.require(&format!("{stem}_scales"), &shape[..3])?;
        if [info, scales]
            .iter()
            .any(|info| info.element_type != ElementType::U8)
        {
            return Err(LoadError::Invalid(format!("{} is no MXFP4", info.name)));
        }
        let (blocks, _) = loader.bytes(info)?.as_chunks::<{ MXFP4_BLOCK / 2 }>();
        let scales = loader.bytes(scales)?;
        let mut matrices = Vec::with_capacity(self.count);
        for expert in 0..self.count {
            let mut bytes = Vec::with_capacity(self.outputs / self.step * row * 17);
            for output in self.wanted() {
                let first = (expert * self.outputs + output) * row;
                let range = first..first + row;
                for (scale, block) in scales[range.clone()].iter().zip(&blocks[range]) {
                    bytes.push(*scale);
                    let number = |index: usize| (block[index / 2] >> (4 * (index % 2))) & 15;
                    let half = MXFP4_BLOCK / 2;
                    bytes
                        .extend((0..half).map(|index| number(index) | (number(index + half) << 4)));
                }
            }
            let (kind, outputs) = (ElementType::MXFP4, self.outputs / self.step);
            matrices.push(loader.weights(&info.name, kind, &bytes, outputs, self.inputs)?);
        }
        if self.first + 1 == self.step {
            loader.done(info);
        }
        Ok(matrices)
    }

    /// From plain numbers, `inputs × outputs`: they are multiplied from the other side.
    fn numbers(&self, loader: &Loader<'_>, stem: &str) -> Result<Vec<Matrix>, LoadError> {
        let info = loader.require(stem, &[self.count, self.inputs, self.outputs])?;
        let bytes = loader.bytes(info)?;
        let size = bytes.len() / (self.count * self.inputs * self.outputs).max(1);
        let mut matrices = Vec::with_capacity(self.count);
        for expert in bytes.chunks_exact((self.inputs * self.outputs * size).max(1)) {
            let mut turned = Vec::with_capacity(expert.len() / self.step);
            for output in self.wanted() {
                for input in 0..self.inputs {
                    let first = (input * self.outputs + output) * size;
                    turned.extend_from_slice(&expert[first..first + size]);
                }
            }
            let outputs = self.outputs / self.step;
            matrices.push(loader.weights(
                &info.name,
                info.element_type,
                &turned,
                outputs,
                self.inputs,
            )?);
        }
        if self.first + 1 == self.step {
            loader.done(info);
        }
        Ok(matrices)
    }
}
