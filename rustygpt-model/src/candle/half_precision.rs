//! Products with matrices of `f16` or `bf16`: kept as the file has them, widened as they are read.

use super::lanes;
use super::operations::with_values;
use super::products::team;
use candle_core::{DType, Result, Storage, Tensor, bail};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

/// Up to this many rows of activations, each row of weights is widened in the first-level cache
/// and used at once: reading the weights is what takes the time.
const FEW_ROWS: usize = 8;
/// Beyond, panels of this many rows of weights are widened and multiplied as matrices:
/// 512 × 4,096 `f32` are 8 MiB.
const PANEL_ROWS: usize = 512;
/// Rows of weights that one task multiplies.
const TASK_ROWS: usize = 64;

/// A weight that can be widened to `f32`.
trait Weight: Copy + Send + Sync {
    fn widen(weights: &[Self], values: &mut [f32]);
}

impl Weight for f16 {
    #[inline(always)]
    fn widen(weights: &[Self], values: &mut [f32]) {
        weights.convert_to_f32_slice(values);
    }
}

impl Weight for bf16 {
    #[inline(always)]
    fn widen(weights: &[Self], values: &mut [f32]) {
        for (value, weight) in values.iter_mut().zip(weights) {
            // The upper half of an f32 is what a bf16 is.
            *value = f32::from_bits(u32::from(weight.to_bits()) << 16);
        }
    }
}

/// `x · Wᵀ`: `tokens × inputs` by `outputs × inputs`.
pub(crate) fn multiply(weights: &Tensor, x: &Tensor) -> Result<Tensor> {
    let (outputs, inputs) = weights.dims2()?;
    let (tokens, width) = x.dims2()?;
    if width != inputs {
        bail!("{:?} by {:?}", x.shape(), weights.shape())
    }
    if tokens > FEW_ROWS {
        return by_panels(weights, x);
    }
    let (storage, layout) = weights.storage_and_layout();
    let (Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets())
    else {
        bail!("weights that are not contiguous on the CPU")
    };
    let product = with_values(x, |x| match weights.dtype() {
        DType::F16 => Ok(by_rows(
            &storage.as_slice::<f16>()?[start..end],
            x,
            inputs,
            outputs,
        )),
        DType::BF16 => Ok(by_rows(
            &storage.as_slice::<bf16>()?[start..end],
            x,
            inputs,
            outputs,
        )),
        other => bail!("weights of {other:?}"),
    })??;
    Tensor::from_vec(product, (tokens, outputs), x.device())
}

fn by_rows<W: Weight>(weights: &[W], x: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let tokens = x.len() / inputs;
    // `outputs × tokens` first, so that a task's results lie together.
    let mut columns = vec![0f32; outputs * tokens];
    team().chunks_mut(&mut columns, TASK_ROWS * tokens, |task, columns| {
        let first = task * TASK_ROWS;
        let rows = columns.len() / tokens;
        lanes::dispatch(&mut Rows {
            weights: &weights[first * inputs..(first + rows) * inputs],
            x,
            inputs,
            columns,
            widened: vec![0.0; inputs],
        });
    });
    if tokens == 1 {
        return columns;
    }
    let mut product = vec![0f32; tokens * outputs];
    for (output, column) in columns.chunks_exact(tokens).enumerate() {
        for (token, value) in column.iter().enumerate() {
            product[token * outputs + output] = *value;
        }
    }
    product
}

/// One task's rows of weights, against all rows of activations.
struct Rows<'a, W> {
    weights: &'a [W],
    x: &'a [f32],
    inputs: usize,
    columns: &'a mut [f32],
    widened: Vec<f32>,
}

impl<W: Weight> lanes::Kernel for Rows<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run(&mut self) {
        let tokens = self.x.len() / self.inputs;
        let rows = self.weights.chunks_exact(self.inputs);
        for (row, column) in rows.zip(self.columns.chunks_exact_mut(tokens)) {
            W::widen(row, &mut self.widened);
            for (x, value) in self.x.chunks_exact(self.inputs).zip(column) {
                *value = lanes::dot(x, &self.widened);
            }
        }
    }
}

fn by_panels(weights: &Tensor, x: &Tensor) -> Result<Tensor> {
    let outputs = weights.dim(0)?;
    let panels = (0..outputs)
        .step_by(PANEL_ROWS)
        .map(|first| weights.narrow(0, first, PANEL_ROWS.min(outputs - first)))
        .collect::<Result<Vec<_>>>()?;
    let products = panels
        .par_iter()
        .map(|panel| x.matmul(&panel.to_dtype(DType::F32)?.t()?))
        .collect::<Result<Vec<_>>>()?;
    Tensor::cat(&products, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn few_rows_and_many_give_the_same_product() {
        let (outputs, inputs) = (700, 96);
        for dtype in [DType::F16, DType::BF16] {
            let weights = Tensor::randn(0f32, 1.0, (outputs, inputs), &Device::Cpu).unwrap();
            let weights = weights.to_dtype(dtype).unwrap();
            let x = Tensor::randn(0f32, 1.0, (FEW_ROWS + 1, inputs), &Device::Cpu).unwrap();
            let exact = x
                .matmul(&weights.to_dtype(DType::F32).unwrap().t().unwrap())
                .unwrap();
            for tokens in [1, 3, FEW_ROWS, FEW_ROWS + 1] {
                let ours = multiply(&weights, &x.narrow(0, 0, tokens).unwrap()).unwrap();
                let exact = exact.narrow(0, 0, tokens).unwrap();
                let worst = (ours - exact).unwrap().abs().unwrap().max_all().unwrap();
                let worst = worst.to_scalar::<f32>().unwrap();
                assert!(worst < 1e-4, "{dtype:?}, {tokens} rows: {worst}");
            }
        }
    }
}
