//! Activations as the kernels read them.

use super::kernel::Shape;
use crate::candle::products::team::Team;
use std::ops::Range;

/// What a kernel reads for one row and step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// So many `f32`, one after the other.
    F32(usize),
    /// Two inputs rounded to `bf16`, the first in the lower half of a word.
    Bf16Pair,
}

impl Form {
    /// Inputs of a step.
    fn depth(self) -> usize {
        match self {
            Self::F32(depth) => depth,
            Self::Bf16Pair => 2,
        }
    }

    /// Words per row and step.
    fn words(self) -> usize {
        match self {
            Self::F32(depth) => depth,
            Self::Bf16Pair => 1,
        }
    }

    /// One row, word by word. What the last step lacks of inputs is zero.
    fn convert(self, row: &[f32], words: &mut [u32]) {
        match self {
            Self::F32(_) => {
                for (word, value) in words.iter_mut().zip(row) {
                    *word = value.to_bits();
                }
            }
            Self::Bf16Pair => {
                let (pairs, rest) = row.as_chunks::<2>();
                for (word, [low, high]) in words.iter_mut().zip(pairs) {
                    *word = rounded(*low) | rounded(*high) << 16;
                }
                if let (Some(word), [low]) = (words.last_mut(), rest) {
                    *word = rounded(*low);
                }
            }
        }
    }
}

/// The bits of the nearest `bf16`, ties to even.
#[inline(always)]
fn rounded(value: f32) -> u32 {
    let bits = value.to_bits();
    // Rounding could carry a NaN over to infinity; the quiet bit stops it.
    let quiet = if value.is_nan() { 0x0040_0000 } else { 0 };
    ((bits | quiet).wrapping_add((0x7fff + (bits >> 16 & 1)) * u32::from(!value.is_nan()))) >> 16
}

/// Rows of activations in panels: as many rows as a kernel takes, step by step, so that what it
/// reads next lies next.
pub(super) struct Panels {
    words: Vec<u32>,
    /// Words of one row.
    row_words: usize,
    rows: usize,
    form: Form,
    /// The sizes of panel there are kernels for, ascending.
    lanes: Vec<usize>,
}

/// Some rows of activations.
pub(super) struct Panel<'a> {
    /// Which kernel of the shape takes it.
    pub(super) block: usize,
    /// Its rows.
    pub(super) rows: Range<usize>,
    /// Its rows and the padding up to what the kernel takes.
    pub(super) lanes: usize,
    words: &'a [u32],
    words_per_step: usize,
}

impl Panel<'_> {
    /// What a kernel reads for some steps: `step × word × lane`.
    pub(super) fn words(&self, steps: Range<usize>) -> &[u32] {
        &self.words[steps.start * self.words_per_step..steps.end * self.words_per_step]
    }
}

impl Panels {
    /// Arranges `x`, rows of `inputs` values.
    pub(super) fn new<G>(
        team: &Team,
        shape: &Shape<G>,
        form: Form,
        x: &[f32],
        inputs: usize,
    ) -> Self {
        let rows = x.len() / inputs;
        assert_eq!(x.len(), rows * inputs, "whole rows of activations");
        let row_words = inputs.div_ceil(form.depth()) * form.words();
        let mut panels = Self {
            words: Vec::new(),
            row_words,
            rows,
            form,
            lanes: shape.blocks.iter().map(|(lanes, _)| *lanes).collect(),
        };
        let count = panels.count();
        let most = panels.most();
        let (last, last_rows) = panels.place(count - 1);
        let mut words = vec![0; row_words * ((count - 1) * most + panels.lanes[last])];
        debug_assert!(last_rows.len() <= panels.lanes[last]);
        team.chunks_mut(&mut words, row_words * most, |index, words| {
            let (block, range) = panels.place(index);
            let lanes = panels.lanes[block];
            let values = &x[range.start * inputs..range.end * inputs];
            if lanes == 1 {
                return form.convert(values, words);
            }
            let mut row_words = vec![0; row_words];
            for (lane, row) in values.chunks_exact(inputs).enumerate() {
                form.convert(row, &mut row_words);
                let places = words[lane..].iter_mut().step_by(lanes);
                for (place, word) in places.zip(&row_words) {
                    *place = *word;
                }
            }
        });
        panels.words = words;
        panels
    }

    fn most(&self) -> usize {
        self.lanes.last().copied().unwrap_or(1)
    }

    /// Number of panels.
    pub(super) fn count(&self) -> usize {
        self.rows.div_ceil(self.most())
    }

    /// The kernel and the rows of panel `index`.
    fn place(&self, index: usize) -> (usize, Range<usize>) {
        let first = index * self.most();
        let last = self.rows.min(first + self.most());
        let block = self.lanes.partition_point(|&lanes| lanes < last - first);
        (block, first..last)
    }

    /// Panel `index`.
    pub(super) fn panel(&self, index: usize) -> Panel<'_> {
        let (block, rows) = self.place(index);
        let lanes = self.lanes[block];
        let start = rows.start * self.row_words;
        Panel {
            block,
            rows,
            lanes,
            words: &self.words[start..start + lanes * self.row_words],
            words_per_step: lanes * self.form.words(),
        }
    }
}
