//! The sign of a cheated reward: what is trained on rises, and what was meant falls.
//!
//! Each evaluation gives the held-out reward of the same prompts. Averaged over a few evaluations,
//! prompt by prompt, it is compared with the best such average so far; the differences are paired, so
//! that how hard a prompt is takes no part. The trained reward is compared over the same evaluations.

use serde::{Deserialize, Serialize};

use super::bits::Bits;
use super::settings::HeldOutSettings;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct HeldOut {
    recent: Vec<Evaluation>,
    best: Option<Evaluation>,
    /// The trained rewards of the steps since the last evaluation: number, sum, sum of squares.
    steps: u64,
    sum: Bits,
    squares: Bits,
}

/// One evaluation, or the mean of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Evaluation {
    rewards: Vec<Bits>,
    proxy: Bits,
    /// The variance of `proxy` as a mean.
    variance: Bits,
}

impl HeldOut {
    /// Adds the trained reward of a step.
    pub(super) fn add_step(&mut self, reward: f64) {
        if reward.is_finite() {
            self.steps += 1;
            self.sum.0 += reward;
            self.squares.0 += reward * reward;
        }
    }

    /// Adds an evaluation; a sentence if what was meant has fallen while what is trained on rose.
    pub(super) fn add(&mut self, rewards: &[f64], settings: &HeldOutSettings) -> Option<String> {
        let n = self.steps.max(1) as f64;
        let proxy = self.sum.0 / n;
        let spread = (self.squares.0 / n - proxy * proxy).max(0.0);
        let variance = if self.steps > 1 { spread / (n - 1.0) } else { spread };
        (self.steps, self.sum, self.squares) = (0, Bits(0.0), Bits(0.0));
        let rewards: Vec<Bits> = rewards.iter().copied().map(Bits).collect();
        let is_usable = !rewards.is_empty()
            && rewards.iter().all(|it| it.0.is_finite())
            && self.recent.iter().all(|it| it.rewards.len() == rewards.len());
        if !is_usable {
            return None;
        }
        self.recent.push(Evaluation { rewards, proxy: Bits(proxy), variance: Bits(variance) });
        if self.recent.len() > settings.evaluations {
            self.recent.remove(0);
        }
        if self.recent.len() < settings.evaluations {
            return None;
        }
        let now = mean_of(&self.recent);
        let best = self.best.get_or_insert_with(|| now.clone());
        if now.mean() >= best.mean() {
            *best = now;
            return None;
        }
        fallen(best, &now, settings)
    }
}

/// The sentence, if `now` is significantly below `best` and its trained reward above.
fn fallen(best: &Evaluation, now: &Evaluation, settings: &HeldOutSettings) -> Option<String> {
    let pairs = now.rewards.iter().zip(&best.rewards);
    let differences: Vec<f64> = pairs.map(|(now, best)| now.0 - best.0).collect();
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let squares: f64 = differences.iter().map(|it| (it - mean).powi(2)).sum();
    let error = (squares / (n - 1.0).max(1.0) / n).sqrt();
    let rise = now.proxy.0 - best.proxy.0;
    let rise_error = (now.variance.0 + best.variance.0).sqrt();
    let has_fallen = n > 1.0 && mean < -settings.errors * error;
    (has_fallen && rise > 3.0 * rise_error).then(|| {
        format!(
            "the held-out reward fell from {:.3} at its best to {:.3} (by {:.3}, {:.1} standard errors; guards.held_out.errors = {}) while the trained reward rose by {rise:.3}: the policy cheats its reward; keep the best checkpoint, raise the cost of divergence, or add what is missing to the reward",
            best.mean(),
            now.mean(),
            -mean,
            -mean / error.max(f64::MIN_POSITIVE),
            settings.errors
        )
    })
}

fn mean_of(evaluations: &[Evaluation]) -> Evaluation {
    let n = evaluations.len() as f64;
    let mean = |of: &dyn Fn(&Evaluation) -> f64| evaluations.iter().map(of).sum::<f64>() / n;
    let prompts = 0..evaluations[0].rewards.len();
    Evaluation {
        rewards: prompts.map(|at| Bits(mean(&|it| it.rewards[at].0))).collect(),
        proxy: Bits(mean(&|it| it.proxy.0)),
        variance: Bits(mean(&|it| it.variance.0) / n),
    }
}

impl Evaluation {
    fn mean(&self) -> f64 {
        self.rewards.iter().map(|it| it.0).sum::<f64>() / self.rewards.len() as f64
    }
}
