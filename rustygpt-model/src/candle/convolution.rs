//! Short convolutions (LFM2, Liquid AI, 2025): a token is mixed with the two or three before it,
//! gated on the way in and out.
//!
//! What a convolution must remember of a sequence are its last few inputs, not keys and values for
//! every position. They are kept twice:
//! - with the sequence, those of its latest step: the next one goes on from any place in it, so that
//!   guesses which did not come true cost nothing;
//! - with every block of the cache, those at the block's end: who takes the block over goes on
//!   behind it. So blocks are shared, kept and taken away as in a model that only attends.

use super::batch::{Batch, Span};
use super::buffers::{LayerBuffers, grown};
use super::load::{LoadError, Loader};
use super::operations::{Input, Linear};
use super::products::team;
use crate::contract::{Phase, SequenceId};
use candle_core::{Result, bail};
use std::collections::HashMap;

/// A short convolution and what it remembers.
pub(super) struct ShortConvolution {
    /// To what opens the way out, what opens the way in, and what goes through.
    input: Linear,
    /// `hidden × length`; the last of each row is the token's own.
    weights: Vec<f32>,
    bias: Option<Vec<f32>>,
    output: Linear,
    hidden: usize,
    /// Positions that it sees, the own one included.
    length: usize,
    memory: Memory,
}

/// Inputs of the convolution, `rows × hidden` each.
#[derive(Default)]
struct Memory {
    /// Of running sequences, around their latest step.
    sequences: HashMap<SequenceId, Window>,
    /// Of the last `length − 1` positions of a block.
    blocks: HashMap<usize, Vec<f32>>,
}

/// Inputs of consecutive positions.
struct Window {
    /// The first position.
    start: usize,
    rows: Vec<f32>,
}

impl ShortConvolution {
    /// Loads the convolution of layer `index`, which sees `length` positions.
    pub(super) fn load(
        loader: &Loader<'_>,
        index: usize,
        length: usize,
    ) -> std::result::Result<Self, LoadError> {
        let hidden = loader.sizes.hidden;
        let name = |part: &str| format!("blk.{index}.shortconv.{part}");
        Ok(Self {
            input: loader.linear(&name("in_proj"), 3 * hidden, hidden)?,
            weights: loader.channels(&name("conv.weight"), hidden, length)?,
            bias: loader.optional_vector(&name("conv.bias"), hidden)?,
            output: loader.linear(&name("out_proj"), hidden, hidden)?,
            hidden,
            length,
            memory: Memory::default(),
        })
    }

    /// From the normalised residual stream to what is added to it.
    pub(super) fn forward(
        &mut self,
        batch: &Batch,
        block_size: usize,
        x: Input<'_>,
        branch: &mut [f32],
        buffers: &mut LayerBuffers,
    ) -> Result<()> {
        let (hidden, before) = (self.hidden, self.length - 1);
        for sequence in &batch.ended {
            self.memory.sequences.remove(sequence);
        }
        let projected = grown(&mut buffers.first, batch.tokens() * 3 * hidden);
        self.input.forward(x, projected)?;
        let mixed = grown(&mut buffers.second, batch.tokens() * hidden);
        for span in &batch.spans {
            let mut inputs = self.memory.before(span, before, hidden, block_size)?;
            let rows = span.first_row * hidden..(span.first_row + span.rows) * hidden;
            let projected = &projected[3 * rows.start..3 * rows.end];
            for row in projected.chunks_exact(3 * hidden) {
                let (gate, values) = (&row[..hidden], &row[2 * hidden..]);
                inputs.extend(gate.iter().zip(values).map(|(gate, value)| gate * value));
            }
            team().chunks_mut(&mut mixed[rows], hidden, |row, mixed| {
                let seen = &inputs[row * hidden..(row + self.length) * hidden];
                self.convolve(seen, mixed);
                let gate = &projected[(3 * row + 1) * hidden..(3 * row + 2) * hidden];
                for (value, gate) in mixed.iter_mut().zip(gate) {
                    *value *= gate;
                }
            });
            self.memory.keep(span, inputs, before, hidden, block_size);
        }
        let phases = x.phases;
        self.output.forward(
            Input {
                values: mixed,
                phases,
            },
            branch,
        )
    }

    /// One row from the inputs of the positions that it sees, `length × hidden`, in their order.
    fn convolve(&self, seen: &[f32], row: &mut [f32]) {
        match &self.bias {
            Some(bias) => row.copy_from_slice(bias),
            None => row.fill(0.0),
        }
        for (position, seen) in seen.chunks_exact(self.hidden).enumerate() {
            let weights = self.weights.chunks_exact(self.length);
            for ((sum, input), weights) in row.iter_mut().zip(seen).zip(weights) {
                *sum += weights[position] * input;
            }
        }
    }
}

impl Memory {
    /// The inputs of the `count` positions before a step; zeros before the text's beginning.
    fn before(
        &self,
        span: &Span,
        count: usize,
        hidden: usize,
        block_size: usize,
    ) -> Result<Vec<f32>> {
        let start = span.start;
        let known = count.min(start);
        let mut inputs = vec![0.0; (count - known) * hidden];
        if known == 0 {
            return Ok(inputs);
        }
        if let Some(window) = self.sequences.get(&span.sequence)
            && window.start <= start - known
            && window.rows.len() >= (start - window.start) * hidden
        {
            let rows = (start - known - window.start) * hidden..(start - window.start) * hidden;
            inputs.extend_from_slice(&window.rows[rows]);
            return Ok(inputs);
        }
        // Only a text that takes a block over begins behind it without a step before.
        let block = start
            .checked_sub(block_size)
            .map(|first| first / block_size);
        let tail = block
            .filter(|_| start.is_multiple_of(block_size))
            .and_then(|block| self.blocks.get(span.blocks.get(block)?));
        let Some(tail) = tail else {
            bail!(
                "{:?}: nothing is known of what precedes position {start}",
                span.sequence
            )
        };
        inputs.extend_from_slice(&tail[(count - known) * hidden..]);
        Ok(inputs)
    }

    /// Keeps what later steps need. `inputs` are the step's own, behind those of the `count`
    /// positions before it.
    fn keep(
        &mut self,
        span: &Span,
        inputs: Vec<f32>,
        count: usize,
        hidden: usize,
        block_size: usize,
    ) {
        let end = span.start + span.rows;
        let whole = span.start / block_size..end / block_size;
        for (index, &block) in span
            .blocks
            .iter()
            .enumerate()
            .take(whole.end)
            .skip(whole.start)
        {
            let behind = (index + 1) * block_size - span.start;
            let tail = &inputs[behind * hidden..(behind + count) * hidden];
            let kept = self.blocks.entry(block).or_default();
            kept.clear();
            kept.extend_from_slice(tail);
        }
        // A prompt goes on where its step ended; of an answer's guesses any number may be wrong.
        let dropped = match span.phase {
            Phase::Prompt => span.rows,
            Phase::Answer => 0,
        };
        let mut rows = inputs;
        rows.drain(..dropped * hidden);
        let mut start = span.start + dropped;
        match start.checked_sub(count) {
            Some(first) => start = first,
            // Before the beginning there is nothing to go on from.
            None => {
                rows.drain(..(count - start) * hidden);
                start = 0;
            }
        }
        let window = Window { start, rows };
        self.sequences.insert(span.sequence, window);
    }
}
