//! From logits to a drawn token, with the options that users of `generate()` know.
//!
//! They act in the order of `transformers`: repetition penalty, temperature, top-k, top-p, min-p. The
//! draw inverts the cumulated distribution in plain Rust, since libtorch's `multinomial` costs more
//! than a small model.

/// How tokens are drawn. What an option's type calls none leaves the distribution alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    temperature: f64,
    top_k: Option<usize>,
    top_p: f64,
    min_p: f64,
    repetition_penalty: f64,
}

/// An option out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option} must be {range}")]
pub struct SamplingError {
    option: &'static str,
    range: &'static str,
}

impl Default for Sampling {
    /// The model's own distribution.
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 }
    }
}

impl Sampling {
    /// Divides logits by a temperature above 0, at most 1000.
    ///
    /// # Errors
    /// [`SamplingError`].
    pub fn with_temperature(self, temperature: f64) -> Result<Self, SamplingError> {
        // Smaller ones are F32's infinity once they divide.
        let fits = (1e-4..=1000.0).contains(&temperature);
        let kept = Self { temperature, ..self };
        fits.then_some(kept).ok_or(refused("temperature", "from 0.0001 to 1000"))
    }

    /// Keeps the `top_k` likeliest tokens, and those that are as likely as the last of them.
    ///
    /// # Errors
    /// [`SamplingError`].
    pub fn with_top_k(self, top_k: usize) -> Result<Self, SamplingError> {
        let kept = Self { top_k: Some(top_k), ..self };
        (top_k > 0).then_some(kept).ok_or(refused("top_k", "1 or more"))
    }

    /// Keeps the likeliest tokens that have together this share of the probability.
    ///
    /// # Errors
    /// [`SamplingError`].
    pub fn with_top_p(self, top_p: f64) -> Result<Self, SamplingError> {
        let fits = top_p > 0.0 && top_p <= 1.0;
        fits.then_some(Self { top_p, ..self }).ok_or(refused("top_p", "above 0, at most 1"))
    }

    /// Keeps tokens that are at least this many times as likely as the likeliest.
    ///
    /// # Errors
    /// [`SamplingError`].
    pub fn with_min_p(self, min_p: f64) -> Result<Self, SamplingError> {
        let fits = (0.0..=1.0).contains(&min_p);
        fits.then_some(Self { min_p, ..self }).ok_or(refused("min_p", "from 0 to 1"))
    }

    /// Makes tokens that stand in the text already less likely (above 1) or likelier (below).
    ///
    /// # Errors
    /// [`SamplingError`].
    pub fn with_repetition_penalty(self, penalty: f64) -> Result<Self, SamplingError> {
        let fits = penalty > 0.0 && penalty <= 1000.0;
        let kept = Self { repetition_penalty: penalty, ..self };
        fits.then_some(kept).ok_or(refused("repetition_penalty", "above 0, at most 1000"))
    }

    /// The distribution of the next token after the texts `seen`, padding not among them.
    ///
    /// Logits are overwritten. Where they are not finite, what comes out means nothing.
    pub fn distribution(&self, logits: &mut [f32], seen: &[&[i64]]) -> Vec<f32> {
        if self.repetition_penalty != 1.0 {
            self.penalise(logits, seen);
        }
        let temperature = self.temperature as f32;
        logits.iter_mut().for_each(|logit| *logit /= temperature);
        if let Some(top_k) = self.top_k.filter(|top_k| *top_k < logits.len()) {
            let mut sorted = logits.to_vec();
            let (_, least, _) = sorted.select_nth_unstable_by(top_k - 1, |a, b| b.total_cmp(a));
            drop_where(logits, |logit| logit < *least);
        }
        let mut probabilities = softmax(logits);
        if self.top_p < 1.0 {
            self.keep_share(logits, &probabilities);
            probabilities = softmax(logits);
        }
        if self.min_p > 0.0 {
            let most = probabilities.iter().copied().fold(0.0, f32::max);
            let least = self.min_p as f32 * most;
            for (logit, p) in logits.iter_mut().zip(&probabilities) {
                // The likeliest stays, whatever rounding does.
                if *p < least && *p < most {
                    *logit = f32::NEG_INFINITY;
                }
            }
            probabilities = softmax(logits);
        }
        probabilities
    }

    /// The token at `unit`, in [0, 1), of the cumulated distribution, and the logarithm of its
    /// probability before unlikely tokens are dropped.
    pub(super) fn draw(&self, logits: &mut [f32], seen: &[&[i64]], unit: f64) -> (i64, f32) {
        let before: Vec<f32> = logits.iter().map(|it| it / self.temperature as f32).collect();
        let (token, _) = at(&self.distribution(logits, seen), unit);
        let probability = softmax(&before).get(token as usize).copied().unwrap_or_default();
        (token, probability.ln())
    }

    /// The temperature, where nothing else is asked for.
    pub(super) fn plain_temperature(&self) -> Option<f64> {
        let plain = Self { temperature: self.temperature, ..Self::default() };
        (*self == plain).then_some(self.temperature)
    }

    /// Once for each token, however often it stands there.
    fn penalise(&self, logits: &mut [f32], seen: &[&[i64]]) {
        let penalty = self.repetition_penalty as f32;
        let mut tokens: Vec<usize> =
            seen.iter().copied().flatten().filter_map(|&it| usize::try_from(it).ok()).collect();
        tokens.sort_unstable();
        tokens.dedup();
        for token in tokens {
            if let Some(logit) = logits.get_mut(token) {
                *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
            }
        }
    }

    /// Drops the unlikeliest tokens while they have together no more than 1 - `top_p`.
    fn keep_share(&self, logits: &mut [f32], probabilities: &[f32]) {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let mut sum = 0.0f64;
        let (_likeliest, others) = match order.split_last() {
            Some(split) => split,
            None => return,
        };
        for &token in others {
            sum += f64::from(probabilities[token]);
            if sum > 1.0 - self.top_p {
                break;
            }
            logits[token] = f32::NEG_INFINITY;
        }
    }
}

/// The token at `unit`, in [0, 1), of the cumulated distribution, and the logarithm of its
/// probability. Summed in binary64, by blocks: a long vocabulary is walked once.
pub(super) fn at(probabilities: &[f32], unit: f64) -> (i64, f32) {
    const BLOCK: usize = 64;
    let sum = |block: &[f32]| {
        // Eight sums that do not wait for one another.
        let mut lanes = [0f64; 8];
        for (place, &p) in block.iter().enumerate() {
            lanes[place % 8] += f64::from(p);
        }
        lanes.iter().sum::<f64>()
    };
    let sums: Vec<f64> = probabilities.chunks(BLOCK).map(sum).collect();
    let mut left = unit * sums.iter().sum::<f64>();
    let mut first = 0;
    for (block, &sum) in sums.iter().enumerate() {
        if left < sum {
            first = block * BLOCK;
            break;
        }
        left -= sum;
        // The last block in which anything is, should rounding lead beyond all of them.
        if sum > 0.0 {
            first = block * BLOCK;
        }
    }
    let mut last = first;
    for (token, &p) in probabilities.iter().enumerate().skip(first).take(BLOCK) {
        if p > 0.0 {
            last = token;
            left -= f64::from(p);
        }
        if left < 0.0 {
            break;
        }
    }
    (last as i64, probabilities.get(last).copied().unwrap_or_default().ln())
}

fn refused(option: &'static str, range: &'static str) -> SamplingError {
    SamplingError { option, range }
}

fn drop_where(logits: &mut [f32], drops: impl Fn(f32) -> bool) {
    logits.iter_mut().filter(|logit| drops(**logit)).for_each(|logit| *logit = f32::NEG_INFINITY);
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let total: f64 = powers.iter().map(|&power| f64::from(power)).sum();
    powers.into_iter().map(|power| (f64::from(power) / total) as f32).collect()
}
