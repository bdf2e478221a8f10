//! One function, built for each width of vectors, and the widest that the processor has chosen at run
//! time.
//!
//! What is built so is plain code over lanes, which the compiler turns into vectors. The body and what it
//! calls must be `#[inline(always)]`: what is not inlined is built for the narrowest width alone. A body
//! is told whether a product and a sum can be fused, which without an instruction for it is slow.

/// Builds a function for each width of vectors, and one that calls the widest that this processor has.
macro_rules! widths {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) = $body:ident) => {
        $(#[$doc])*
        $visibility fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn avx512($($argument: $type),*) {
                    $body::<true>($($argument),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) {
                    $body::<true>($($argument),*);
                }
                match $crate::hf::native::instructions::Instructions::here() {
                    $crate::hf::native::instructions::Instructions::Avx512 { .. } => {
                        // SAFETY: the processor was found to have all of these.
                        unsafe { avx512($($argument),*) };
                    }
                    $crate::hf::native::instructions::Instructions::Avx2 => {
                        // SAFETY: the processor was found to have both.
                        unsafe { avx2($($argument),*) };
                    }
                    $crate::hf::native::instructions::Instructions::Plain => {
                        $body::<false>($($argument),*);
                    }
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            $body::<{ cfg!(target_arch = "aarch64") }>($($argument),*);
        }
    };
}

pub(super) use widths;
