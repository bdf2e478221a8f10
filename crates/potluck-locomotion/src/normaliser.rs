//! Observations brought to mean zero and deviation one, by statistics that are learned with the base and then stand still.
//!
//! They are part of the policy: with statistics of its own, an expert would read the world in another unit, and weights that
//! belong to different units have no mean. So every expert has the base's, and in a checkpoint they are integers
//! (2⁻³² as the unit): to the federation constants, which admission compares with the base's byte by byte and a soup takes over,
//! never mixes.

/// Beyond so many deviations an observation tells nothing more.
const CLIP: f64 = 10.0;
/// The unit of a checkpoint's integers.
const UNIT: f64 = (1u64 << 32) as f64;

/// Means and deviations, an element of an observation each.
#[derive(Debug, Clone, PartialEq)]
pub struct Normaliser {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Normaliser {
    /// One that changes nothing.
    pub fn identity(observations: usize) -> Self {
        Self { mean: vec![0.0; observations], deviation: vec![1.0; observations] }
    }

    /// From a checkpoint's integers.
    ///
    /// # Errors
    /// Where the lengths differ, or a deviation is not above zero.
    pub fn from_fixed(mean: &[i64], deviation: &[i64]) -> Result<Self, String> {
        if mean.len() != deviation.len() {
            return Err(format!("{} means and {} deviations", mean.len(), deviation.len()));
        }
        if deviation.iter().any(|it| *it <= 0) {
            return Err("a deviation of observations is not above zero".to_owned());
        }
        let numbers = |fixed: &[i64]| fixed.iter().map(|it| *it as f64 / UNIT).collect();
        Ok(Self { mean: numbers(mean), deviation: numbers(deviation) })
    }

    /// As a checkpoint's integers: means, then deviations.
    pub fn to_fixed(&self) -> (Vec<i64>, Vec<i64>) {
        let fixed = |it: &f64| (it * UNIT).round() as i64;
        let deviation = self.deviation.iter().map(|it| fixed(it).max(1)).collect();
        (self.mean.iter().map(fixed).collect(), deviation)
    }

    /// How many numbers an observation has.
    pub fn observations(&self) -> usize {
        self.mean.len()
    }

    /// What the policy sees of an observation.
    pub fn apply(&self, raw: &[f64], seen: &mut [f32]) {
        let statistics = self.mean.iter().zip(&self.deviation);
        for ((seen, raw), (mean, deviation)) in seen.iter_mut().zip(raw).zip(statistics) {
            *seen = ((raw - mean) / deviation).clamp(-CLIP, CLIP) as f32;
        }
    }
}

/// Statistics that are still being learned (Welford's sums).
#[derive(Debug, Clone)]
pub struct Running {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Running {
    /// Of nothing yet.
    pub fn new(length: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; length], squares: vec![0.0; length] }
    }

    /// Learns from one observation; one that is not finite says nothing.
    pub fn add(&mut self, values: &[f64]) {
        if values.iter().any(|it| !it.is_finite()) {
            return;
        }
        self.count += 1.0;
        for ((mean, squares), value) in self.mean.iter_mut().zip(&mut self.squares).zip(values) {
            let before = value - *mean;
            *mean += before / self.count;
            *squares += before * (value - *mean);
        }
    }

    /// What was learned so far; the identity of nothing.
    pub fn normaliser(&self) -> Normaliser {
        let count = self.count.max(1.0);
        let deviation = |squares: &f64| match self.count < 2.0 {
            true => 1.0,
            false => (squares / count).sqrt().max(1e-3),
        };
        Normaliser {
            mean: self.mean.clone(),
            deviation: self.squares.iter().map(deviation).collect(),
        }
    }

    /// The deviation of the first element; 1 of nothing.
    pub fn deviation(&self) -> f64 {
        self.normaliser().deviation[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_what_was_seen() {
        let mut running = Running::new(2);
        for values in [[1.0, 10.0], [3.0, 10.0], [f64::NAN, 0.0], [5.0, 16.0]] {
            running.add(&values);
        }
        let normaliser = running.normaliser();
        let mut seen = [0.0; 2];
        normaliser.apply(&[3.0 + (8.0f64 / 3.0).sqrt(), 12.0], &mut seen);
        assert!((seen[0] - 1.0).abs() < 1e-6 && seen[1].abs() < 1e-6, "{seen:?}");
        normaliser.apply(&[1e9, -1e9], &mut seen);
        assert_eq!(seen, [10.0, -10.0]);
    }

    #[test]
    fn a_checkpoint_keeps_them() {
        let mut running = Running::new(1);
        [0.1, 0.7, -3.3].iter().for_each(|it| running.add(&[*it]));
        let (mean, deviation) = running.normaliser().to_fixed();
        let once = Normaliser::from_fixed(&mean, &deviation).unwrap();
        assert_eq!(once.to_fixed(), (mean.clone(), deviation.clone()), "to the last bit");
        assert!(Normaliser::from_fixed(&mean, &[0]).is_err());
        assert!(Normaliser::from_fixed(&mean, &[1, 1]).is_err());
    }
}
