//! Vector arithmetic with run-time dispatch: one kernel is compiled for several instruction sets
//! and the best one the processor has is run.
//!
//! Kernels are plain Rust over fixed-width lanes that the compiler turns into vector
//! instructions; the arithmetic, and so the result, is the same for each instruction set.

/// Work that is compiled once per instruction set. `run` must be `#[inline(always)]`, or it is
/// compiled for the oldest processor only.
pub(crate) trait Kernel {
    type Output;
    fn run(&mut self) -> Self::Output;
}

/// Runs a kernel with the best instructions at hand.
pub(crate) fn dispatch<K: Kernel>(kernel: &mut K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            #[expect(
                unsafe_code,
                reason = "calling code compiled for detected instructions"
            )]
            // SAFETY: the processor has AVX-512F, as just detected.
            return unsafe { with_avx512(kernel) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            #[expect(
                unsafe_code,
                reason = "calling code compiled for detected instructions"
            )]
            // SAFETY: the processor has AVX2, as just detected.
            return unsafe { with_avx2(kernel) };
        }
    }
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2")]
fn with_avx512<K: Kernel>(kernel: &mut K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<K: Kernel>(kernel: &mut K) -> K::Output {
    kernel.run()
}

/// Independent partial sums: enough to fill the pipelines of two 512-bit units.
const LANES: usize = 32;

/// `Σ aᵢ · bᵢ`.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f32 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0] + tail
}

/// `yᵢ += scale · xᵢ`.
#[inline(always)]
pub(crate) fn add_scaled(y: &mut [f32], x: &[f32], scale: f32) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += scale * x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_product_counts_every_element_once() {
        for length in [0, 1, 31, 32, 33, 64, 100] {
            let a: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let expected: f32 = a.iter().map(|v| v * 2.0).sum();
            assert_eq!(dot(&a, &vec![2.0; length]), expected, "{length} elements");
        }
    }
}
