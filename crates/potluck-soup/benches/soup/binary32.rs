//! The rival: BF16 mixed in binary32, as fast as it goes, with the rounding errors that this brings.
//!
//! It is here to price the exact arithmetic of `linear/1`, and for nothing else: its bytes depend on whether the
//! processor has fused multiply-add.

/// Elements whose sums stay in registers while the inputs pass by.
const LANES: usize = 64;

/// Weights, and the widest code that this processor runs.
pub(crate) struct Binary32 {
    weights: Vec<f32>,
    code: Code,
}

enum Code {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Plain,
}

impl Binary32 {
    /// Weights in the order of the inputs.
    pub(crate) fn new(weights: Vec<f32>) -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            return Self { weights, code: Code::Avx512 };
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Self { weights, code: Code::Avx2 };
        }
        Self { weights, code: Code::Plain }
    }

    /// Σ weightᵢ·inputᵢ, rounded to BF16. The inputs are of one length, whole elements.
    pub(crate) fn mix<'a>(&self, inputs: &[Vec<u8>], output: &'a mut [u8]) -> &'a [u8] {
        match self.code {
            // SAFETY: `new` chose this code because the processor has what it is compiled for.
            #[cfg(target_arch = "x86_64")]
            Code::Avx512 => unsafe { avx512(&self.weights, inputs, output) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Code::Avx2 => unsafe { avx2(&self.weights, inputs, output) },
            Code::Plain => mix::<false>(&self.weights, inputs, output),
        }
        output
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
fn avx512(weights: &[f32], inputs: &[Vec<u8>], output: &mut [u8]) {
    mix::<true>(weights, inputs, output);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(weights: &[f32], inputs: &[Vec<u8>], output: &mut [u8]) {
    mix::<true>(weights, inputs, output);
}

#[inline(always)]
fn mix<const FUSED: bool>(weights: &[f32], inputs: &[Vec<u8>], output: &mut [u8]) {
    const BYTES: usize = 2 * LANES;
    let whole = output.len() / BYTES * BYTES;
    let (body, tail) = output.split_at_mut(whole);
    for (number, out) in body.chunks_exact_mut(BYTES).enumerate() {
        let mut sums = [0f32; LANES];
        for (input, &weight) in inputs.iter().zip(weights) {
            let lane = &input[number * BYTES..][..BYTES];
            for (sum, bytes) in sums.iter_mut().zip(lane.chunks_exact(2)) {
                *sum = add::<FUSED>(*sum, weight, bytes);
            }
        }
        for (bytes, sum) in out.chunks_exact_mut(2).zip(sums) {
            bytes.copy_from_slice(&round(sum));
        }
    }
    for (number, out) in tail.chunks_exact_mut(2).enumerate() {
        let mut sum = 0.0;
        for (input, &weight) in inputs.iter().zip(weights) {
            sum = add::<FUSED>(sum, weight, &input[whole + 2 * number..]);
        }
        out.copy_from_slice(&round(sum));
    }
}

#[inline(always)]
fn add<const FUSED: bool>(sum: f32, weight: f32, bytes: &[u8]) -> f32 {
    let value = f32::from_bits(u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) << 16);
    if FUSED { value.mul_add(weight, sum) } else { value * weight + sum }
}

/// To the nearest, ties to even. No NaN comes here.
#[inline(always)]
fn round(sum: f32) -> [u8; 2] {
    let bits = sum.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    (rounded as u16).to_le_bytes()
}
