//! Random numbers: one stream per purpose and index, so that no draw depends on another's history.
//!
//! A stream is a function of its name and its numbers alone. Training resumes at any step without
//! a saved generator state, and a sequence of a batch draws the same numbers whatever stands
//! beside it. Not for secrets: the nonce of a commitment comes from the operating system.

/// One stream of random numbers: xoshiro256++, its state set by BLAKE3.
#[derive(Debug, Clone)]
pub struct Stream {
    state: [u64; 4],
}

impl Stream {
    /// The stream of `name` at `numbers`; equal arguments give equal streams on any machine.
    pub fn of(name: &str, numbers: &[u64]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("potluck-train 1 random stream");
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        let digest = hasher.finalize();
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(digest.as_bytes().chunks_exact(8)) {
            let bytes = bytes.try_into().expect("chunks_exact(8) yields eight bytes");
            *word = u64::from_le_bytes(bytes);
        }
        Self { state }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number in [0, 1), a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with `probability`.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number below `bound`, which must not be 0; its bias is below `bound` · 2⁻⁶⁴.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// Puts `items` into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// A normal deviate of mean 0 and variance 1 (Box and Muller's first).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_its_name_and_numbers() {
        let first = |name: &str, numbers: &[u64]| Stream::of(name, numbers).bits();
        assert_eq!(first("news", &[1, 2]), first("news", &[1, 2]));
        assert_ne!(first("news", &[1, 2]), first("news", &[2, 1]));
        assert_ne!(first("news", &[1]), first("init", &[1]));
    }

    #[test]
    fn known_answers() {
        let mut stream = Stream::of("known", &[7]);
        let drawn: Vec<_> = (0..3).map(|_| stream.bits()).collect();
        assert_eq!(drawn, [6229576626495830993, 6766938194259513518, 11375721109045630612]);
    }

    #[test]
    fn draws_stay_in_range_and_are_fair() {
        let mut stream = Stream::of("fair", &[]);
        let mut counts = [0usize; 6];
        for _ in 0..60_000 {
            counts[stream.below(6)] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        let normals: Vec<f64> = (0..50_000).map(|_| stream.normal()).collect();
        let mean = normals.iter().sum::<f64>() / 50_000.0;
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / 50_000.0;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<_> = (0..50).collect();
        Stream::of("shuffle", &[]).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
