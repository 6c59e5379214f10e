//! The small matrix product that attention is made of, twice.

#![expect(
    unsafe_code,
    reason = "the innermost loop checks its bounds once, before it begins"
)]

use super::at_least;
use crate::candle::vector::{Element, Vector};

/// Vectors of `C` that one tile is wide: with four rows, the eight sums hide the latency of two
/// units that multiply and add.
const TILE_VECTORS: usize = 2;
const TILE_ROWS: usize = 4;

/// `C ← diag(scales) · C + A · B`, or `C ← A · B` without scales.
///
/// Each element of `C` is one chain of additions in the order of `depth`, whatever the number of
/// rows: a row's result does not depend on the rows computed with it.
pub(super) struct Product<'a, E> {
    /// `rows × depth`, rows `a_stride` apart.
    pub(super) a: &'a [f32],
    pub(super) a_stride: usize,
    /// `depth × width`, rows `b_stride` apart.
    pub(super) b: &'a [E],
    pub(super) b_stride: usize,
    /// `rows × width`, rows `c_stride` apart.
    pub(super) c: &'a mut [f32],
    pub(super) c_stride: usize,
    pub(super) rows: usize,
    pub(super) depth: usize,
    /// A multiple of [`WIDEST`](crate::candle::vector::WIDEST).
    pub(super) width: usize,
    /// One factor per row.
    pub(super) scales: Option<&'a [f32]>,
}

impl<E: Element> Product<'_, E> {
    /// As [`Self::compute`]; halves that more than one tile of rows reads are widened into
    /// `scratch` once for all.
    #[inline(always)]
    pub(super) fn widened<V: Vector>(self, scratch: &mut Vec<f32>) {
        if E::IS_WIDE || self.rows <= TILE_ROWS {
            return self.compute::<V>();
        }
        let b = at_least(scratch, self.b.len());
        for (from, to) in self
            .b
            .chunks_exact(V::WIDTH)
            .zip(b.chunks_exact_mut(V::WIDTH))
        {
            E::from_slice::<V>(from).to_slice(to);
        }
        Product {
            a: self.a,
            a_stride: self.a_stride,
            b,
            b_stride: self.b_stride,
            c: self.c,
            c_stride: self.c_stride,
            rows: self.rows,
            depth: self.depth,
            width: self.width,
            scales: self.scales,
        }
        .compute::<V>();
    }

    #[inline(always)]
    pub(super) fn compute<V: Vector>(mut self) {
        let extent = |rows: usize, stride: usize, width: usize| match rows {
            0 => 0,
            rows => (rows - 1) * stride + width,
        };
        assert!(self.width.is_multiple_of(V::WIDTH));
        assert!(self.a.len() >= extent(self.rows, self.a_stride, self.depth));
        assert!(self.b.len() >= extent(self.depth, self.b_stride, self.width));
        assert!(self.c.len() >= extent(self.rows, self.c_stride, self.width));
        assert!(self.scales.is_none_or(|scales| scales.len() >= self.rows));
        let mut column = 0;
        while column < self.width {
            let vectors = TILE_VECTORS.min((self.width - column) / V::WIDTH);
            if vectors == TILE_VECTORS {
                self.column::<V, TILE_VECTORS>(column);
            } else {
                self.column::<V, 1>(column);
            }
            column += vectors * V::WIDTH;
        }
    }

    #[inline(always)]
    fn column<V: Vector, const VECTORS: usize>(&mut self, column: usize) {
        let mut row = 0;
        while row < self.rows {
            let rows = TILE_ROWS.min(self.rows - row);
            match rows {
                1 => self.tile::<V, 1, VECTORS>(row, column),
                2 => self.tile::<V, 2, VECTORS>(row, column),
                3 => self.tile::<V, 3, VECTORS>(row, column),
                _ => self.tile::<V, TILE_ROWS, VECTORS>(row, column),
            }
            row += rows;
        }
    }

    #[inline(always)]
    fn tile<V: Vector, const ROWS: usize, const VECTORS: usize>(
        &mut self,
        row: usize,
        column: usize,
    ) {
        let mut sums = [[V::splat(0.0); VECTORS]; ROWS];
        // SAFETY: `compute` checked that rows, depth and width lie within the three slices; `row +
        // ROWS` and `column + VECTORS · WIDTH` do not pass them.
        unsafe {
            let a = self.a.as_ptr().add(row * self.a_stride);
            let b = self.b.as_ptr().add(column);
            let c = self.c.as_mut_ptr().add(row * self.c_stride + column);
            if let Some(scales) = self.scales {
                for (index, sums) in sums.iter_mut().enumerate() {
                    let scale = V::splat(*scales.get_unchecked(row + index));
                    for (vector, sum) in sums.iter_mut().enumerate() {
                        let from = c.add(index * self.c_stride + vector * V::WIDTH);
                        *sum = V::load(from).multiply(scale);
                    }
                }
            }
            for step in 0..self.depth {
                let mut factors = [V::splat(0.0); VECTORS];
                for (vector, factor) in factors.iter_mut().enumerate() {
                    *factor = E::load(b.add(step * self.b_stride + vector * V::WIDTH));
                }
                for (index, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(*a.add(index * self.a_stride + step));
                    for (sum, factor) in sums.iter_mut().zip(factors) {
                        *sum = value.multiply_add(factor, *sum);
                    }
                }
            }
            for (index, sums) in sums.iter().enumerate() {
                for (vector, sum) in sums.iter().enumerate() {
                    sum.store(c.add(index * self.c_stride + vector * V::WIDTH));
                }
            }
        }
    }
}
