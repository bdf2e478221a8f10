//! Which of the processor's instructions are used: asked once, and the same for the life of the process.
//!
//! The level never changes a result, only the time it takes. Called by [`mod@super`]; tests and benchmarks take
//! the levels apart.

use std::sync::OnceLock;

use super::{Fold, Scale, Term, scalar};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::layout::Dtype;

/// A set of instructions that this processor has: evidence of that, which only the detection makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    /// What the target has anyway.
    Any,
    /// AVX2, FMA and F16C: eight numbers in two registers.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Also AVX-512 F, BW, DQ and VL: eight numbers in one register.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The fastest one that this processor has.
    pub fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| *Self::available().last().expect("there is always one"))
    }

    /// All that this processor has, from the slowest to the fastest; at least one.
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
        let mut levels = vec![Self(Instructions::Any)];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            levels.push(Self(Instructions::Avx2));
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                levels.push(Self(Instructions::Avx512));
            }
        }
        levels
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self.0 {
            Instructions::Any => "portable",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => "AVX-512",
        }
    }

    /// [`super::mix`] at this level.
    ///
    /// # Errors
    /// As [`super::mix`].
    ///
    /// # Panics
    /// As [`super::mix`].
    pub fn mix(
        self,
        terms: &[Term<'_>],
        scale: Scale,
        to: Dtype,
        scratch: &mut Vec<f64>,
        output: &mut [u8],
    ) -> Result<(), usize> {
        let elements = whole(to, output.len());
        for term in terms {
            assert_eq!(whole(term.dtype, term.bytes.len()), elements, "inputs and output differ");
        }
        let uniform = terms.iter().all(|term| term.dtype == to && term.has_exact_products());
        // What the blocks leave over is less than one of them, or has an element that is refused.
        let done = if uniform { self.mix_blocks(terms, scale, to, output) } else { 0 };
        let size = to.size();
        let output = &mut output[done * size..];
        match self.0 {
            Instructions::Any => scalar::mix(terms, done, scale, to, scratch, output),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a level is evidence that the processor has its instructions.
            Instructions::Avx2 => unsafe { avx2::mix(terms, done, scale, to, scratch, output) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Instructions::Avx512 => unsafe { avx512::mix(terms, done, scale, to, scratch, output) },
        }
    }

    /// Mixes as many whole blocks from the start as have a kernel of their own, and says how many elements.
    fn mix_blocks(self, terms: &[Term<'_>], scale: Scale, to: Dtype, output: &mut [u8]) -> usize {
        #[cfg(target_arch = "x86_64")]
        match (self.0, to) {
            // SAFETY: a level is evidence that the processor has its instructions.
            (Instructions::Avx2, Dtype::Bf16) => unsafe { avx2::mix_bf16(terms, scale, output) },
            // SAFETY: as above.
            (Instructions::Avx2, Dtype::F16) => unsafe { avx2::mix_f16(terms, scale, output) },
            // SAFETY: as above.
            (Instructions::Avx2, Dtype::F32) => unsafe { avx2::mix_f32(terms, scale, output) },
            // SAFETY: as above.
            (Instructions::Avx512, Dtype::Bf16) => unsafe {
                avx512::mix_bf16(terms, scale, output)
            },
            // SAFETY: as above.
            (Instructions::Avx512, Dtype::F16) => unsafe { avx512::mix_f16(terms, scale, output) },
            // SAFETY: as above.
            (Instructions::Avx512, Dtype::F32) => unsafe { avx512::mix_f32(terms, scale, output) },
            _ => 0,
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (terms, scale, to, output);
            0
        }
    }

    /// [`super::widen`] at this level.
    ///
    /// # Panics
    /// As [`super::widen`].
    pub fn widen(self, dtype: Dtype, bytes: &[u8], values: &mut [f64]) {
        assert_eq!(whole(dtype, bytes.len()), values.len(), "bytes and values differ");
        match self.0 {
            Instructions::Any => scalar::widen(dtype, bytes, values),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a level is evidence that the processor has its instructions.
            Instructions::Avx2 => unsafe { avx2::widen(dtype, bytes, values) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Instructions::Avx512 => unsafe { avx512::widen(dtype, bytes, values) },
        }
    }

    /// [`super::convert`] at this level.
    ///
    /// # Panics
    /// As [`super::convert`].
    pub fn convert(
        self,
        dtype: Dtype,
        bytes: &[u8],
        fold: Option<Fold>,
        to: Dtype,
        output: &mut [u8],
    ) {
        assert_eq!(whole(dtype, bytes.len()), whole(to, output.len()), "input and output differ");
        match self.0 {
            Instructions::Any => scalar::convert(dtype, bytes, fold, to, output),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a level is evidence that the processor has its instructions.
            Instructions::Avx2 => unsafe { avx2::convert(dtype, bytes, fold, to, output) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Instructions::Avx512 => unsafe { avx512::convert(dtype, bytes, fold, to, output) },
        }
    }

    /// [`super::narrow`] at this level.
    ///
    /// # Errors
    /// As [`super::narrow`].
    ///
    /// # Panics
    /// As [`super::narrow`].
    pub fn narrow(self, dtype: Dtype, values: &[f64], bytes: &mut [u8]) -> Result<(), usize> {
        assert_eq!(whole(dtype, bytes.len()), values.len(), "bytes and values differ");
        match self.0 {
            Instructions::Any => scalar::narrow(dtype, values, bytes),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a level is evidence that the processor has its instructions.
            Instructions::Avx2 => unsafe { avx2::narrow(dtype, values, bytes) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Instructions::Avx512 => unsafe { avx512::narrow(dtype, values, bytes) },
        }
    }

    /// [`super::first_not_finite`] at this level.
    pub fn first_not_finite(self, dtype: Dtype, bytes: &[u8]) -> Option<usize> {
        match self.0 {
            Instructions::Any => scalar::first_not_finite(dtype, bytes),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a level is evidence that the processor has its instructions.
            Instructions::Avx2 => unsafe { avx2::first_not_finite(dtype, bytes) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Instructions::Avx512 => unsafe { avx512::first_not_finite(dtype, bytes) },
        }
    }
}

/// How many elements these bytes are.
fn whole(dtype: Dtype, bytes: usize) -> usize {
    assert!(dtype.is_float(), "integers are compared, not mixed");
    assert_eq!(bytes % dtype.size(), 0, "an element is cut");
    bytes / dtype.size()
}
