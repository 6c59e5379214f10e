//! Softmax sums over a part of the positions, and how parts become one.

use crate::candle::vector::{Kernel, Vector, WIDEST, exponential};

/// The maximum where nothing was seen: less than any score, and finite, so that nothing special
/// happens to it.
pub(super) const NOTHING_SEEN: f32 = -1e30;

/// For each lane the sum of values weighted by `e^(score - maximum)`, and the sum of the weights
/// (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).
pub(super) struct Partial<'a> {
    /// One per lane, padded to [`WIDEST`].
    pub(super) maxima: &'a mut [f32],
    /// [`WIDEST`] per lane, to be added up.
    pub(super) sums: &'a mut [f32],
    /// `lanes × value stride`.
    pub(super) output: &'a mut [f32],
}

impl<'a> Partial<'a> {
    /// Numbers that a partial result of so many lanes takes.
    pub(super) fn length(lanes: usize, width: usize) -> usize {
        lanes.next_multiple_of(WIDEST) + lanes * (WIDEST + width)
    }

    /// Lays a partial result of `lanes` out in memory of [`Self::length`].
    pub(super) fn new(memory: &'a mut [f32], lanes: usize, width: usize) -> Self {
        let (maxima, rest) = memory.split_at_mut(lanes.next_multiple_of(WIDEST));
        let (sums, rest) = rest.split_at_mut(lanes * WIDEST);
        Self {
            maxima,
            sums,
            output: &mut rest[..lanes * width],
        }
    }

    fn lanes(&self) -> usize {
        self.sums.len() / WIDEST
    }

    /// Counts a position of this score and without a value in.
    pub(super) fn add_sink(&mut self, lane: usize, score: f32) {
        let width = self.output.len() / self.lanes();
        let maximum = self.maxima[lane].max(score);
        let shrinkage = (self.maxima[lane] - maximum).exp();
        let sums = &mut self.sums[lane * WIDEST..(lane + 1) * WIDEST];
        let output = &mut self.output[lane * width..(lane + 1) * width];
        for value in sums.iter_mut().chain(output) {
            *value *= shrinkage;
        }
        sums[0] += (score - maximum).exp();
        self.maxima[lane] = maximum;
    }

    /// Nothing was seen.
    pub(super) fn clear(&mut self) {
        self.maxima.fill(NOTHING_SEEN);
        self.sums.fill(0.0);
        self.output.fill(0.0);
    }
}

/// Adds a part of the positions to the parts before it.
pub(super) struct Merge<'a, 'b, 'c> {
    pub(super) total: &'a mut Partial<'b>,
    pub(super) part: &'a Partial<'c>,
}

impl Kernel for Merge<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { total, part } = self;
        let lanes = total.lanes();
        let width = total.output.len() / lanes;
        for lane in 0..lanes {
            let maximum = total.maxima[lane].max(part.maxima[lane]);
            let ours = exponential(V::splat(total.maxima[lane] - maximum));
            let theirs = exponential(V::splat(part.maxima[lane] - maximum));
            total.maxima[lane] = maximum;
            let add = |total: &mut [f32], part: &[f32]| {
                let chunks = total.chunks_exact_mut(V::WIDTH);
                for (total, part) in chunks.zip(part.chunks_exact(V::WIDTH)) {
                    let sum = V::from_slice(total).multiply(ours);
                    V::from_slice(part)
                        .multiply_add(theirs, sum)
                        .to_slice(total);
                }
            };
            let range = lane * WIDEST..(lane + 1) * WIDEST;
            add(&mut total.sums[range.clone()], &part.sums[range]);
            let range = lane * width..(lane + 1) * width;
            add(&mut total.output[range.clone()], &part.output[range]);
        }
    }
}

/// Divides a lane's weighted sum by its weights: what attention is.
pub(super) struct Normalise<'a, 'b> {
    pub(super) total: &'a mut Partial<'b>,
}

impl Kernel for Normalise<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { total } = self;
        let width = total.output.len() / total.lanes();
        let lanes = total
            .output
            .chunks_exact_mut(width)
            .zip(total.sums.chunks_exact(WIDEST));
        for (output, sums) in lanes {
            let mut sum = V::splat(0.0);
            for chunk in sums.chunks_exact(V::WIDTH) {
                sum = sum.add(V::from_slice(chunk));
            }
            let inverse = V::splat(1.0 / sum.sum());
            for chunk in output.chunks_exact_mut(V::WIDTH) {
                V::from_slice(chunk).multiply(inverse).to_slice(chunk);
            }
        }
    }
}
