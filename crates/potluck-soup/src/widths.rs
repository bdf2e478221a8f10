//! One function, built for each width of vectors, and the widest that the processor has chosen at run time.
//!
//! What is built so is plain code over lanes, which the compiler turns into vectors: the width changes the speed and
//! never a bit. The body and what it calls have to be `#[inline(always)]`, and hold no closure that is called from
//! two places: what is not inlined is built for the narrowest width only.

/// Builds a function for each width of vectors, and one that calls the widest that this processor has.
macro_rules! widths {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty = $body:ident) => {
        $(#[$doc])*
        $visibility fn $name($($argument: $type),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2")]
                fn avx512($($argument: $type),*) -> $result {
                    $body($($argument),*)
                }
                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) -> $result {
                    $body($($argument),*)
                }
                if is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    // SAFETY: the processor was just found to have these, and with them AVX-512F and AVX2.
                    return unsafe { avx512($($argument),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor was just found to have AVX2.
                    return unsafe { avx2($($argument),*) };
                }
            }
            $body($($argument),*)
        }
    };
}

pub(crate) use widths;
