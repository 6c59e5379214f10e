//! Attention in which every token of a text sees every other.

use crate::candle::products::team;
use crate::candle::vector::{Kernel, Vector, dispatch};

/// Rows of queries that one task computes.
const TASK_ROWS: usize = 64;

/// Where a text's rows lie. The texts of a pass lie behind each other.
pub(super) struct Span {
    /// Its first row.
    pub(super) first: usize,
    /// How many.
    pub(super) rows: usize,
}

/// `softmax(Q·Kᵀ/√d)·V` within each text, head by head.
pub(super) struct Attention<'a> {
    pub(super) spans: &'a [Span],
    pub(super) heads: usize,
    pub(super) hidden: usize,
    /// `tokens × hidden`, and the bias that is added as the heads are gathered.
    pub(super) queries: (&'a [f32], &'a [f32]),
    /// Likewise.
    pub(super) keys: (&'a [f32], &'a [f32]),
    /// Likewise.
    pub(super) values: (&'a [f32], &'a [f32]),
}

impl Attention<'_> {
    /// What every token gathers, `tokens × hidden`.
    pub(super) fn attend(&self) -> Vec<f32> {
        let mut output = vec![0f32; self.queries.0.len()];
        team().chunks_mut(&mut output, TASK_ROWS * self.hidden, |task, rows| {
            let start = task * TASK_ROWS;
            let end = start + rows.len() / self.hidden;
            let first = self
                .spans
                .partition_point(|span| span.first + span.rows <= start);
            for span in self.spans[first..]
                .iter()
                .take_while(|span| span.first < end)
            {
                let low = span.first.max(start);
                let high = (span.first + span.rows).min(end);
                dispatch(Task {
                    attention: self,
                    span,
                    first: low,
                    output: &mut rows[(low - start) * self.hidden..(high - start) * self.hidden],
                });
            }
        });
        output
    }
}

/// Some queries of a text, against the whole text.
struct Task<'a> {
    attention: &'a Attention<'a>,
    span: &'a Span,
    /// The first query's row.
    first: usize,
    /// `queries × hidden`, zeros.
    output: &'a mut [f32],
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Attention { heads, hidden, .. } = *self.attention;
        let dimension = hidden / heads;
        let length = self.span.rows;
        let text = self.span.first * hidden..(self.span.first + length) * hidden;
        let (keys, key_bias) = self.attention.keys;
        let (values, value_bias) = self.attention.values;
        let (queries, query_bias) = self.attention.queries;
        let queries = &queries[self.first * hidden..self.first * hidden + self.output.len()];
        let scale = 1.0 / (dimension as f32).sqrt();
        // Keys of one head, `dimension × text`, so that a query meets them side by side.
        let mut head_keys = vec![0f32; dimension * length];
        // Values of one head, `text × dimension`.
        let mut head_values = vec![0f32; length * dimension];
        let mut query = vec![0f32; dimension];
        let mut scores = vec![0f32; length];
        for head in 0..heads {
            let columns = head * dimension..(head + 1) * dimension;
            let bias = &key_bias[columns.clone()];
            for (token, row) in keys[text.clone()].chunks_exact(hidden).enumerate() {
                for (element, (key, bias)) in row[columns.clone()].iter().zip(bias).enumerate() {
                    head_keys[element * length + token] = key + bias;
                }
            }
            let bias = &value_bias[columns.clone()];
            let rows = values[text.clone()].chunks_exact(hidden);
            for (target, row) in head_values.chunks_exact_mut(dimension).zip(rows) {
                for ((target, value), bias) in
                    target.iter_mut().zip(&row[columns.clone()]).zip(bias)
                {
                    *target = value + bias;
                }
            }
            let bias = &query_bias[columns.clone()];
            let rows = queries.chunks_exact(hidden);
            for (row, output) in rows.zip(self.output.chunks_exact_mut(hidden)) {
                for ((query, value), bias) in query.iter_mut().zip(&row[columns.clone()]).zip(bias)
                {
                    *query = (value + bias) * scale;
                }
                scores.fill(0.0);
                for (element, keys) in query.iter().zip(head_keys.chunks_exact(length)) {
                    add_scaled(&mut scores, keys, *element);
                }
                let sum = exponentials(&mut scores);
                let output = &mut output[columns.clone()];
                for (weight, value) in scores.iter().zip(head_values.chunks_exact(dimension)) {
                    add_scaled(output, value, *weight);
                }
                let inverse = 1.0 / sum;
                output.iter_mut().for_each(|value| *value *= inverse);
            }
        }
    }
}

/// `yᵢ += scale · xᵢ`.
#[inline(always)]
fn add_scaled(y: &mut [f32], x: &[f32], scale: f32) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += scale * x;
    }
}

/// Turns scores into `exp(score − maximum)` and returns their sum.
#[inline(always)]
fn exponentials(scores: &mut [f32]) -> f32 {
    let maximum = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for score in scores.iter_mut() {
        *score = exponential(*score - maximum);
    }
    scores.iter().sum()
}

/// `eˣ` for x ≤ 0, within 2 units in the last place and without a call, so that loops over it
/// become vector instructions (the reduction and polynomial of Cephes' `expf`).
#[inline(always)]
fn exponential(x: f32) -> f32 {
    // Adding it rounds to an integer, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.max(-87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let power = shifted - ROUND;
    // ln 2 in two parts, the first of which multiplies exactly.
    let rest = x - power * 0.693_359_4 + power * 2.121_944_4e-4;
    let polynomial = ((((1.987_569_1e-4 * rest + 1.398_2e-3) * rest + 8.333_452e-3) * rest
        + 4.166_579_6e-2)
        * rest
        + 1.666_666_5e-1)
        * rest
        + 0.5;
    let mantissa = polynomial * rest * rest + rest + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    mantissa * f32::from_bits(exponent.wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_as_exact_as_f32_allows() {
        for step in 0..8700 {
            let x = -(step as f32) / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exponential(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "e^{x}: off by {error:e}");
        }
        assert!(exponential(f32::NEG_INFINITY) < 1e-37);
    }
}
