//! Whether this thread computes as IEEE 754 says by default.
//!
//! Rounding mode and flushing of subnormals are state of a thread, and a library in the same process (libtorch
//! is one) can change them. The question is asked of the arithmetic itself, not of a control register, so it
//! needs no code for each processor. Every thread that computes for a soup or a limit asks it first.

use std::hint::black_box;

/// How this thread's arithmetic differs from what the soup's specification needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FloatState {
    /// Not to nearest, ties to even.
    #[error("this thread does not round to nearest even")]
    Rounding,
    /// Subnormal numbers are read or written as zero.
    #[error("this thread flushes subnormal numbers to zero")]
    Flushing,
}

/// Asks this thread's arithmetic.
///
/// # Errors
/// [`FloatState`] says what was found.
pub fn check() -> Result<(), FloatState> {
    let half_unit = black_box(f64::EPSILON / 2.0);
    // 1 + ½ulp is a tie that goes down to even, 1 + 3·½ulp one that goes up: no other mode does both.
    let down = black_box(1.0 + half_unit) == 1.0;
    let up = black_box(1.0 + 3.0 * half_unit) == 1.0 + 2.0 * f64::EPSILON;
    // The same below zero, where rounding towards infinity and towards zero change sides.
    let below = black_box(-1.0 - half_unit) == -1.0;
    if !(down && up && below) {
        return Err(FloatState::Rounding);
    }
    let least = f64::from_bits(black_box(1));
    let read = black_box(least * black_box(f64::MAX)).to_bits() != 0;
    let written = black_box(f64::MIN_POSITIVE * black_box(0.5)).to_bits() != 0;
    if read && written { Ok(()) } else { Err(FloatState::Flushing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_thread_is_as_it_should_be() {
        assert_eq!(check(), Ok(()));
    }

    /// Runs `check` with other bits set in MXCSR.
    #[cfg(target_arch = "x86_64")]
    fn check_with(bits: u32) -> Result<(), FloatState> {
        let mut before = 0u32;
        // SAFETY: only this thread's MXCSR is read and written, and it is restored before anything else runs.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &mut before);
            let changed = before | bits;
            std::arch::asm!("ldmxcsr [{}]", in(reg) &changed);
            let outcome = check();
            std::arch::asm!("ldmxcsr [{}]", in(reg) &before);
            outcome
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_other_mode_is_seen() {
        let (denormals_are_zero, flush_to_zero) = (1 << 6, 1 << 15);
        assert_eq!(check_with(denormals_are_zero), Err(FloatState::Flushing));
        assert_eq!(check_with(flush_to_zero), Err(FloatState::Flushing));
        for mode in 1..=3 {
            assert_eq!(check_with(mode << 13), Err(FloatState::Rounding), "{mode}");
        }
        assert_eq!(check(), Ok(()));
    }
}
