//! Functions of a vector, element by element.

use super::Vector;
use std::f32::consts::LOG2_E;

/// `e^x` within two units in the last place; 0 below -104, infinite above 88.73.
///
/// Cephes' `expf` (Moshier, 1992): `x = n · ln 2 + r`, a polynomial in `r`, and `2^n`.
#[inline(always)]
pub(crate) fn exponential<V: Vector>(x: V) -> V {
    /// Adding it leaves the nearest integer in the last bits.
    const ROUNDER: f32 = 12_582_912.0;
    /// ln 2 in two parts, so that `n` times the first has no rounding error.
    const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    const COEFFICIENTS: [f32; 5] = [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ];
    // In this order, what is not a number stays so.
    let x = V::splat(89.0).minimum(V::splat(-105.0).maximum(x));
    let rounder = V::splat(ROUNDER);
    let n = x.multiply_add(V::splat(LOG2_E), rounder).subtract(rounder);
    let r = n.multiply_add(V::splat(-LN_2[0]), x);
    let r = n.multiply_add(V::splat(-LN_2[1]), r);
    let mut series = V::splat(1.987_569_1e-4);
    for coefficient in COEFFICIENTS {
        series = series.multiply_add(r, V::splat(coefficient));
    }
    let series = series.multiply_add(r.multiply(r), r);
    series.add(V::splat(1.0)).scale(n)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid<V: Vector>(x: V) -> V {
    let one = V::splat(1.0);
    one.divide(one.add(exponential(V::splat(0.0).subtract(x))))
}

/// `tanh x`, within 2e-7.
#[inline(always)]
pub(crate) fn hyperbolic_tangent<V: Vector>(x: V) -> V {
    let one = V::splat(1.0);
    let power = exponential(x.add(x));
    one.subtract(V::splat(2.0).divide(one.add(power)))
}
