//! Proximal policy optimisation (Schulman et al. 2017), with the choices that make running bodies learn fast and soups lie well.
//!
//! Two of them are for the soups. Observations are normalised by statistics that only the base learns. And a mean action
//! beyond −1 or 1, where the actuator is at its end and more changes nothing, costs its square: without that, the means of
//! whoever wants velocity run far out, and the soup with a careful expert saturates where the expert does not.

use potluck_train::stream::Stream;
use serde::Serialize;
use tch::nn::{self, OptimizerConfig as _};
use tch::{Kind, Tensor};

use crate::advantage::{Steps, advantages};
use crate::normaliser::{Normaliser, Running};
use crate::policy::{Net, Policy};
use crate::reward::{Reward, Scores};
use crate::rollout::{Batch, Crowd};
use crate::world::World;

/// How learning goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Worlds side by side.
    pub worlds: usize,
    /// Steps of each world in an iteration.
    pub steps: usize,
    /// Iterations in all.
    pub iterations: usize,
    /// Of them, at the beginning, those in which only the value net learns: it is a new one, the policy is not.
    pub critic_first: usize,
    /// Steps of an episode.
    pub horizon: usize,
    /// Times that a batch is gone through.
    pub epochs: usize,
    /// Steps of a minibatch.
    pub minibatch: usize,
    /// At the beginning; it falls to a tenth in a straight line.
    pub learning_rate: f64,
    /// How far a ratio counts.
    pub clip: f64,
    /// Discount.
    pub gamma: f64,
    /// Of generalised advantages.
    pub lambda: f64,
    /// A batch is left when the divergence from the policy that drew it is above this.
    pub kl_stop: f64,
    /// The largest norm of a gradient.
    pub max_grad_norm: f64,
    /// What the square of a mean action beyond −1 or 1 costs.
    pub bound_cost: f64,
}

impl Settings {
    /// For a base of so many iterations.
    pub fn base(iterations: usize) -> Self {
        Self {
            worlds: 32,
            steps: 128,
            iterations,
            critic_first: 0,
            horizon: 500,
            epochs: 5,
            minibatch: 512,
            learning_rate: 1e-3,
            clip: 0.2,
            gamma: 0.99,
            lambda: 0.95,
            kl_stop: 0.03,
            max_grad_norm: 0.5,
            bound_cost: 1.0,
        }
    }

    /// For an expert of so many iterations.
    pub fn expert(iterations: usize) -> Self {
        Self { learning_rate: 3e-4, critic_first: 4, ..Self::base(iterations) }
    }

    /// As many whole iterations as come to `steps` or a little more.
    pub fn for_steps(self, steps: usize) -> Self {
        let iterations = steps.div_ceil(self.batch()).max(1);
        Self { iterations, ..self }
    }

    /// Steps of one iteration in all worlds.
    pub fn batch(&self) -> usize {
        self.worlds * self.steps
    }
}

/// What is said of an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Progress {
    /// From 1.
    pub iteration: usize,
    /// The means of both rewards while exploring.
    pub scores: Scores,
    /// The divergence at which the batch was left.
    pub kl: f64,
    /// The mean deviation of actions.
    pub sigma: f64,
    /// The part of steps after which the body had fallen.
    pub fallen: f64,
}

/// Learns `reward` from `start` on; with `learns_world` the statistics of observations too. `tell` hears of each iteration.
pub fn learn<W: World>(
    make: impl Fn() -> W,
    start: Policy,
    reward: &Reward,
    settings: &Settings,
    (seed, learns_world): (u64, bool),
    mut tell: impl FnMut(Progress),
) -> Policy {
    // The nets are too small to share out: more threads would wait for one another.
    tch::set_num_threads(1);
    let mut learner = Learner::new(start, settings, seed);
    let mut crowd = Crowd::new(make, settings.worlds, settings.horizon, settings.gamma, seed);
    let mut running = Running::new(learner.policy.normaliser.observations());
    let mut learned = learns_world.then_some(&mut running);
    if let Some(running) = learned.as_deref_mut() {
        // Nothing is learned from the first steps but what the world looks like.
        crowd.roll(&learner.policy, reward, settings.steps, Some(running));
        learner.policy.normaliser = rounded(running);
    }
    for iteration in 0..settings.iterations {
        let batch = crowd.roll(&learner.policy, reward, settings.steps, learned.as_deref_mut());
        let left = 1.0 - iteration as f64 / settings.iterations as f64;
        let rate = settings.learning_rate * (0.1 + 0.9 * left);
        let is_critic_alone = iteration < settings.critic_first;
        let kl = learner.improve(&batch, rate, is_critic_alone);
        if let Some(running) = learned.as_deref_mut() {
            learner.policy.normaliser = rounded(running);
        }
        let sigma = learner.policy.log_sigma.detach().exp().mean(Kind::Float).double_value(&[]);
        let fallen = batch.fallen as f64 / settings.batch() as f64;
        tell(Progress { iteration: iteration + 1, scores: batch.scores, kl, sigma, fallen });
    }
    learner.into_policy()
}

/// As a checkpoint will have it, so that what is trained is what is handed on.
fn rounded(running: &Running) -> Normaliser {
    let (mean, deviation) = running.normaliser().to_fixed();
    Normaliser::from_fixed(&mean, &deviation).expect("a deviation is at least a unit")
}

/// Policy and value net with their optimisers.
struct Learner<'a> {
    settings: &'a Settings,
    policy: Policy,
    value: Net,
    actor_optimiser: nn::Optimizer,
    critic_optimiser: nn::Optimizer,
    stream: Stream,
}

/// A batch as tensors, a row each step.
struct Rows {
    seen: Tensor,
    actions: Tensor,
    log_probabilities: Tensor,
    advantages: Tensor,
    returns: Tensor,
}

impl<'a> Learner<'a> {
    fn new(start: Policy, settings: &'a Settings, seed: u64) -> Self {
        let mut stream = Stream::of("locomotion learner", &[seed]);
        let value = Net::fresh(start.normaliser.observations(), 1, 1.0, &mut stream);
        let (actor, critic) =
            (nn::VarStore::new(tch::Device::Cpu), nn::VarStore::new(tch::Device::Cpu));
        let learned = |store: &nn::VarStore, tensors: &[Tensor]| -> Vec<Tensor> {
            let name = |at: usize| format!("tensor_{at}");
            (0..).zip(tensors).map(|(at, it)| store.root().var_copy(&name(at), it)).collect()
        };
        let mut tensors = start.net.0;
        tensors.push(start.log_sigma);
        let mut tensors = learned(&actor, &tensors);
        let log_sigma = tensors.pop().expect("it was pushed");
        let policy = Policy { net: Net(tensors), log_sigma, normaliser: start.normaliser };
        let value = Net(learned(&critic, &value.0));
        let adam = nn::Adam { eps: 1e-5, ..nn::Adam::default() };
        let optimiser = |store: &nn::VarStore| {
            adam.build(store, settings.learning_rate).expect("the store has weights to learn")
        };
        let (actor_optimiser, critic_optimiser) = (optimiser(&actor), optimiser(&critic));
        Self { settings, policy, value, actor_optimiser, critic_optimiser, stream }
    }

    /// Goes through a batch, and returns the divergence at which it was left.
    fn improve(&mut self, batch: &Batch, rate: f64, is_critic_alone: bool) -> f64 {
        self.actor_optimiser.set_lr(rate);
        self.critic_optimiser.set_lr(rate);
        let rows = tch::no_grad(|| self.rows(batch));
        let count = self.settings.batch();
        let mut order: Vec<i64> = (0..count as i64).collect();
        let mut kl = 0.0;
        let mut is_left = is_critic_alone;
        for _ in 0..self.settings.epochs {
            self.stream.shuffle(&mut order);
            for part in order.chunks(self.settings.minibatch) {
                let part = Tensor::from_slice(part);
                let seen = rows.seen.index_select(0, &part);
                if !is_left {
                    kl = self.improve_policy(&rows, &part, &seen);
                    is_left = kl > self.settings.kl_stop;
                }
                let error =
                    self.value.forward(&seen).squeeze_dim(1) - rows.returns.index_select(0, &part);
                let loss = error.square().mean(Kind::Float) * 0.5;
                self.critic_optimiser.backward_step_clip_norm(&loss, self.settings.max_grad_norm);
            }
        }
        kl
    }

    /// One step of the policy, unless it is too far already; returns how far it is.
    fn improve_policy(&mut self, rows: &Rows, part: &Tensor, seen: &Tensor) -> f64 {
        let settings = self.settings;
        let means = self.policy.net.forward(seen);
        let actions = rows.actions.index_select(0, part);
        let now = log_probabilities(&means, &self.policy.log_sigma, &actions);
        let change = now - rows.log_probabilities.index_select(0, part);
        let ratio = change.exp();
        let kl = (ratio.detach() - 1.0 - change.detach()).mean(Kind::Float).double_value(&[]);
        if kl > settings.kl_stop {
            return kl;
        }
        let advantages = rows.advantages.index_select(0, part);
        let clipped = ratio.clamp(1.0 - settings.clip, 1.0 + settings.clip);
        let gain = (&ratio * &advantages).minimum(&(clipped * &advantages)).mean(Kind::Float);
        let beyond = (means.abs() - 1.0).relu().square().mean(Kind::Float);
        let loss = beyond * settings.bound_cost - gain;
        self.actor_optimiser.backward_step_clip_norm(&loss, settings.max_grad_norm);
        kl
    }

    /// Values, advantages and log-probabilities of a batch, by the nets that drew it.
    fn rows(&self, batch: &Batch) -> Rows {
        let (width, actions) = (self.policy.normaliser.observations(), self.policy.actions());
        let table =
            |numbers: &[f32], width: usize| Tensor::from_slice(numbers).reshape([-1, width as i64]);
        let values_of = |seen: &[f32]| -> Vec<f64> {
            if seen.is_empty() {
                return Vec::new();
            }
            let values = self.value.forward(&table(seen, width)).reshape([-1]);
            Vec::try_from(values.to_kind(Kind::Double)).expect("a tensor of doubles")
        };
        let values = values_of(&batch.seen);
        let mut next: Vec<f64> = values[self.settings.worlds..].to_vec();
        next.extend(values_of(&batch.after));
        for (value, is_last) in next.iter_mut().zip(&batch.is_last) {
            if *is_last {
                *value = 0.0;
            }
        }
        let cut: Vec<f32> = batch.cuts.iter().flat_map(|(_, seen)| seen.clone()).collect();
        for ((at, _), value) in batch.cuts.iter().zip(values_of(&cut)) {
            next[*at] = value;
        }
        let advantages = self.advantages(batch, &values, &next);
        let returns: Vec<f32> =
            advantages.iter().zip(&values).map(|(a, v)| (a + v) as f32).collect();
        let seen = table(&batch.seen, width);
        let drawn = table(&batch.actions, actions);
        let means = self.policy.net.forward(&seen);
        let log_probabilities = log_probabilities(&means, &self.policy.log_sigma, &drawn);
        let advantages = Tensor::from_slice(&advantages);
        let advantages =
            (&advantages - advantages.mean(Kind::Double)) / (advantages.std(false) + 1e-8);
        Rows {
            seen,
            actions: drawn,
            log_probabilities,
            advantages: advantages.to_kind(Kind::Float),
            returns: Tensor::from_slice(&returns),
        }
    }

    /// World by world, put back in the order of the batch.
    fn advantages(&self, batch: &Batch, values: &[f64], next: &[f64]) -> Vec<f64> {
        let worlds = self.settings.worlds;
        let mut all = vec![0.0; values.len()];
        for world in 0..worlds {
            let of = |all: &[f64]| all.iter().skip(world).step_by(worlds).copied().collect();
            let steps = Steps {
                rewards: of(&batch.rewards),
                values: of(values),
                next_values: of(next),
                is_last: batch.is_last.iter().skip(world).step_by(worlds).copied().collect(),
            };
            let found = advantages(&steps, self.settings.gamma, self.settings.lambda);
            all.iter_mut().skip(world).step_by(worlds).zip(found).for_each(|(to, it)| *to = it);
        }
        all
    }

    fn into_policy(self) -> Policy {
        let Policy { net, log_sigma, normaliser } = self.policy;
        let kept = |it: &Tensor| it.detach().copy();
        let net = Net(net.0.iter().map(kept).collect());
        Policy { net, log_sigma: kept(&log_sigma), normaliser }
    }
}

/// Of each row of actions, without the constant, which every ratio loses.
fn log_probabilities(means: &Tensor, log_sigma: &Tensor, actions: &Tensor) -> Tensor {
    let away = (actions - means) / log_sigma.exp();
    let sum = |it: Tensor| it.sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
    sum(away.square() * -0.5 - log_sigma)
}

#[cfg(test)]
mod tests;
