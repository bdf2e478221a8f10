//! A factor A that nobody stores: drawn from a seed, with the same bits on every machine.
//!
//! Where parties train B alone beside an A that is drawn and frozen (FFA-LoRA, Sun et al. 2024), they share A, and the mean of
//! their B's is the mean of their changes. Such an adapter's file holds B; its header says from which seed A comes, and how many
//! inputs each module has.
//!
//! ```text
//! X = BLAKE3's extended output, in the mode derive_key, of seed: u64 ‖ the module's name
//! element i of A, in row-major order = F32( (xᵢ · 2⁻³¹) · (1 / √inputs) ), xᵢ: the i32 at byte 4·i of X
//! ```
//!
//! All numbers are little-endian, all arithmetic is that of IEEE binary64 with one rounding an operation, and the first product
//! is exact. Any element can be had without those before it. The trainer draws by the same function.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The context under which A is drawn. It never changes: what it gives is part of published soups.
const CONTEXT: &str = "potluck 1 shared factor A of LoRA";
/// The most inputs of a module: with the highest rank, no product overflows.
const MAX_INPUTS: u64 = 1 << 32;

/// What a header says of factors that its file does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedA {
    /// The seed of all of them.
    pub(super) seed: u64,
    /// The number of inputs of each module.
    pub(super) inputs: BTreeMap<String, u64>,
}

impl SharedA {
    /// Reads what [`Self::canonical`] wrote; there is one text for each.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let read: Self = serde_json::from_str(text).ok()?;
        let is_sound = read.inputs.values().all(|inputs| (1..=MAX_INPUTS).contains(inputs));
        (is_sound && read.canonical() == text).then_some(read)
    }

    pub(super) fn canonical(&self) -> String {
        serde_json::to_string(self).expect("numbers and names always have a JSON form")
    }
}

/// Draws elements of the factor A of `module`, which has `inputs` inputs: those from number `first` on, in row-major order.
pub fn draw(seed: u64, module: &str, inputs: u64, first: u64, elements: &mut [f32]) {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&seed.to_le_bytes()).update(module.as_bytes());
    let mut output = hasher.finalize_xof();
    output.set_position(4 * first);
    let bound = 1.0 / (inputs as f64).sqrt();
    let mut bytes = [0; 4096];
    for elements in elements.chunks_mut(bytes.len() / 4) {
        let bytes = &mut bytes[..4 * elements.len()];
        output.fill(bytes);
        for (element, bytes) in elements.iter_mut().zip(bytes.as_chunks().0) {
            let drawn = f64::from(i32::from_le_bytes(*bytes)) * (1.0 / (1u64 << 31) as f64);
            *element = (drawn * bound) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the Python of `docs/formats.md`, with numpy and the `blake3` package.
    #[test]
    fn known_answers() {
        let bits = |inputs, first| {
            let mut drawn = [0.0; 4];
            draw(7, "layers.0.q_proj", inputs, first, &mut drawn);
            drawn.map(f32::to_bits)
        };
        assert_eq!(bits(64, 0), [0xbd48_2c64, 0x3ba8_1c07, 0x3dcd_ea6c, 0xbd3f_2ee1]);
        assert_eq!(bits(64, 1020), [0x3d98_10f0, 0x3d90_d10f, 0x3bef_5490, 0xbd2d_4e43]);
        assert_eq!(bits(7, 18)[..3], [0xbea6_58d1, 0xbec0_6093, 0xbe01_b45b]);
    }

    #[test]
    fn elements_are_the_same_from_wherever_they_are_drawn() {
        let mut whole = vec![0.0; 5000];
        draw(1, "a", 100, 0, &mut whole);
        for (first, count) in [(0, 1), (1, 4999), (1023, 2), (4096, 17)] {
            let mut part = vec![0.0; count];
            draw(1, "a", 100, first as u64, &mut part);
            assert_eq!(part, whole[first..first + count]);
        }
        assert!(whole.iter().all(|x| x.abs() <= 0.1));
        let mean = whole.iter().sum::<f32>() / 5000.0;
        // Uniform: the variance is a third of the bound's square.
        let variance = whole.iter().map(|x| x * x).sum::<f32>() / 5000.0;
        assert!(mean.abs() < 3e-3 && (variance * 300.0 - 1.0).abs() < 0.05, "{mean} {variance}");
        let mut other = vec![0.0; 5000];
        draw(2, "a", 100, 0, &mut other);
        assert_ne!(whole, other);
    }

    #[test]
    fn a_header_has_one_text() {
        let shared = SharedA { seed: 7, inputs: [("a".into(), 4), ("b".into(), 5)].into() };
        let text = r#"{"seed":7,"inputs":{"a":4,"b":5}}"#;
        assert_eq!(
            (shared.canonical().as_str(), SharedA::parse(text)),
            (text, Some(shared.clone()))
        );
        for other in [
            r#"{"seed":7, "inputs":{"a":4,"b":5}}"#,
            r#"{"seed":7,"inputs":{"b":5,"a":4}}"#,
            r#"{"seed":7,"inputs":{"a":4,"a":4,"b":5}}"#,
            r#"{"seed":7,"inputs":{"a":0}}"#,
            r#"{"seed":-7,"inputs":{"a":4}}"#,
            r#"{"seed":7,"inputs":{"a":4},"more":1}"#,
            "7",
        ] {
            assert_eq!(SharedA::parse(other), None, "{other}");
        }
    }
}
