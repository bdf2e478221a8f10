//! Which elements of an expert's task vector `dare_ties/1` keeps: drawn by a generator that counts, so that any piece
//! of a tensor is drawn alone, in any order.
//!
//! Guy L. Steele Jr., Doug Lea, Christine H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014:
//! element e has the e-th output of a SplitMix64 whose first state is a digest of seed, party and tensor.

use potluck_core::PartyId;

use super::share::Density;

/// What the digests that seed generators are for.
const CONTEXT: &str = "potluck dare_ties/1: which elements an expert keeps of a tensor";

/// The generator of one expert's tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    state: u64,
    /// An element is kept where its number is below this; all are kept where there is none.
    bound: Option<u64>,
}

impl Draw {
    pub(super) fn new(seed: u32, party: &PartyId, tensor: &str, density: Density) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&seed.to_le_bytes()).update(party.as_str().as_bytes()).update(b"/");
        let digest = hasher.update(tensor.as_bytes()).finalize();
        let (first, _) = digest.as_bytes().split_first_chunk().expect("a digest has 32 bytes");
        // Below one it is below 2^64.
        let bound = (u128::from(density.ppm()) << 64).div_ceil(1_000_000);
        Self { state: u64::from_le_bytes(*first), bound: u64::try_from(bound).ok() }
    }

    /// Sets to zero what is dropped of `changes`, of which the first is the element of that index.
    #[inline(always)]
    pub(super) fn drop_from(&self, changes: &mut [f64], element: u64) {
        let Some(bound) = self.bound else { return };
        for (change, element) in changes.iter_mut().zip(element..) {
            *change = if self.number(element) < bound { *change } else { 0.0 };
        }
    }

    #[inline(always)]
    fn number(&self, element: u64) -> u64 {
        let count = element.wrapping_add(1);
        let mut z = self.state.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: u32, party: &str, tensor: &str, density: &str) -> Draw {
        Draw::new(seed, &party.parse().unwrap(), tensor, density.parse().unwrap())
    }

    /// Which of the first so many elements are kept.
    fn kept(draw: Draw, count: usize) -> Vec<usize> {
        let mut changes = vec![1.0; count];
        draw.drop_from(&mut changes, 0);
        (0..count).filter(|at| changes[*at] > 0.0).collect()
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs of java.util.SplittableRandom and of the reference code in C for the seed 1234567.
        let generator = Draw { state: 1_234_567, bound: None };
        let numbers = [0, 1, 2].map(|element| generator.number(element));
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn as_many_are_kept_as_the_density_says() {
        for (density, share) in [("0.1", 0.1), ("0.5", 0.5), ("0.9", 0.9)] {
            let kept = kept(draw(7, "a", "w", density), 100_000).len();
            assert!((kept as f64 / 1e5 - share).abs() < 0.01, "{kept}");
        }
        assert_eq!(kept(draw(7, "a", "w", "1"), 1000).len(), 1000);
    }

    #[test]
    fn seeds_parties_and_tensors_draw_apart() {
        let one = kept(draw(0, "a", "w", "0.5"), 64);
        assert_eq!(one, kept(draw(0, "a", "w", "0.5"), 64));
        for (seed, party, tensor) in [(1, "a", "w"), (0, "b", "w"), (0, "a", "v"), (0, "aw", "")] {
            assert_ne!(one, kept(draw(seed, party, tensor, "0.5"), 64), "{seed} {party} {tensor}");
        }
    }
}
