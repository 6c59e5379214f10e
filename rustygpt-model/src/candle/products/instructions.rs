//! Which instructions kernels may use: what the processor has, less what `RUSTYGPT_CPU` masks.

use std::sync::OnceLock;

/// Sets of instructions, each with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Instructions {
    /// What every processor of the architecture has; kernels in plain Rust.
    Scalar,
    /// x86-64-v3: AVX2, FMA and F16C (Haswell, 2013; Zen, 2017).
    Avx2,
    /// AVX-512 F, BW, VL and VNNI (Cascade Lake, 2019; Zen 4, 2022).
    Avx512,
}

impl Instructions {
    /// All sets that this processor has, worst first.
    pub(crate) fn detected() -> &'static [Self] {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni");
            if avx2 && avx512 {
                return &[Self::Scalar, Self::Avx2, Self::Avx512];
            }
            if avx2 {
                return &[Self::Scalar, Self::Avx2];
            }
        }
        &[Self::Scalar]
    }

    /// The set to use: the best that the processor has and the environment allows.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Instructions> = OnceLock::new();
        *BEST.get_or_init(|| {
            let allowed = match std::env::var("RUSTYGPT_CPU").as_deref() {
                Ok("scalar") => Self::Scalar,
                Ok("avx2") => Self::Avx2,
                _ => Self::Avx512,
            };
            let detected = Self::detected();
            detected
                .iter()
                .copied()
                .rfind(|&set| set <= allowed)
                .unwrap_or(Self::Scalar)
        })
    }
}

/// Names the kernels that run here: under two names the same product may round otherwise.
pub(crate) fn kernels() -> String {
    #[cfg(target_arch = "x86_64")]
    let has_pairs = is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    let has_pairs = false;
    let (best, architecture) = (Instructions::best(), std::env::consts::ARCH);
    format!("{architecture} {best:?} {has_pairs}")
}
