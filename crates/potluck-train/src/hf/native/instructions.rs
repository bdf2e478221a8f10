//! What the processor can do, asked once.

use std::sync::OnceLock;

/// The widest vectors that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instructions {
    /// 512 bits: AVX-512 F, BW, DQ and VL, with FMA.
    Avx512 {
        /// Whether sums of products of bfloat16 pairs are one instruction.
        pairs: bool,
    },
    /// 256 bits: AVX2 and FMA.
    Avx2,
    /// Whatever the compiler may take for granted.
    Plain,
}

impl Instructions {
    /// Those of this processor.
    pub(super) fn here() -> Self {
        static FOUND: OnceLock<Instructions> = OnceLock::new();
        *FOUND.get_or_init(Self::found)
    }

    #[cfg(target_arch = "x86_64")]
    fn found() -> Self {
        let fused = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (fused, wide) {
            (true, true) => Self::Avx512 { pairs: is_x86_feature_detected!("avx512bf16") },
            (true, false) => Self::Avx2,
            _ => Self::Plain,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn found() -> Self {
        Self::Plain
    }
}
