//! Many worlds moved side by side: what learning is fed with.
//!
//! Each world has a stream of random numbers of its own, so that a run is the same with any number of threads.

use potluck_train::stream::Stream;
use rayon::prelude::*;

use crate::normaliser::Running;
use crate::policy::Policy;
use crate::reward::{Reward, Scores, scores};
use crate::world::{Moved, World};

/// One world, in the middle of an episode.
struct Runner<W> {
    world: W,
    stream: Stream,
    /// Steps of the episode that are left.
    left: usize,
    raw: Vec<f64>,
    /// The state that a limit of time cut off, where the last step was one of these.
    cut: Option<Vec<f64>>,
    action: Vec<f64>,
    moved: Moved,
    is_last: bool,
}

/// The worlds.
pub struct Crowd<W> {
    runners: Vec<Runner<W>>,
    horizon: usize,
    /// Each world's discounted return so far, by whose deviation rewards are scaled.
    returns: Vec<f64>,
    spread: Running,
    gamma: f64,
}

/// What was seen and done: step by step, in each step world by world.
pub struct Batch {
    /// Normalised observations.
    pub seen: Vec<f32>,
    /// Actions as they were drawn.
    pub actions: Vec<f32>,
    /// Scaled rewards.
    pub rewards: Vec<f64>,
    /// Whether another episode begins afterwards.
    pub is_last: Vec<bool>,
    /// Which steps were cut by time, and the normalised observation at which.
    pub cuts: Vec<(usize, Vec<f32>)>,
    /// The normalised observations after the last step.
    pub after: Vec<f32>,
    /// The means of both rewards, unscaled.
    pub scores: Scores,
    /// Steps after which the body had fallen, or the simulation was none.
    pub fallen: usize,
}

impl<W: World> Crowd<W> {
    /// `count` worlds, each in its first episode, which ends earlier for one than for another, so that not all end at once.
    pub fn new(make: impl Fn() -> W, count: usize, horizon: usize, gamma: f64, seed: u64) -> Self {
        let runner = |number: usize| {
            let mut stream = Stream::of("locomotion world", &[seed, number as u64]);
            let mut world = make();
            world.begin(&mut stream);
            let mut raw = vec![0.0; world.observations()];
            world.observe(&mut raw);
            let left = horizon - number * horizon / count;
            let (moved, action) = (Moved::default(), vec![0.0; world.actions()]);
            Runner { world, stream, left, raw, cut: None, action, moved, is_last: false }
        };
        let runners = (0..count).map(runner).collect();
        Self { runners, horizon, returns: vec![0.0; count], spread: Running::new(1), gamma }
    }

    /// Moves every world `steps` times by `policy`; `learned` is told what is observed.
    pub fn roll(
        &mut self,
        policy: &Policy,
        reward: &Reward,
        steps: usize,
        mut learned: Option<&mut Running>,
    ) -> Batch {
        let count = self.runners.len();
        let sigma: Vec<f32> = Vec::try_from(policy.log_sigma.detach().exp()).expect("floats");
        let mut batch = Batch {
            seen: Vec::new(),
            actions: Vec::new(),
            rewards: Vec::new(),
            is_last: Vec::new(),
            cuts: Vec::new(),
            after: Vec::new(),
            scores: [0.0; 2],
            fallen: 0,
        };
        for step in 0..steps {
            let seen = self.seen(policy);
            let means = policy.means_of_seen(&seen);
            batch.seen.extend(seen);
            let horizon = self.horizon;
            let width = sigma.len();
            self.runners.par_iter_mut().zip(means.par_chunks_exact(width)).for_each(
                |(it, means)| {
                    it.step(means, &sigma, horizon);
                },
            );
            for (number, runner) in self.runners.iter().enumerate() {
                if let Some(running) = learned.as_deref_mut() {
                    running.add(&runner.raw);
                }
                batch.actions.extend(runner.action.iter().map(|it| *it as f32));
                let plain = if runner.moved.is_broken { 0.0 } else { reward.of(&runner.moved) };
                let total = &mut self.returns[number];
                *total = *total * self.gamma + plain;
                self.spread.add(&[*total]);
                batch.rewards.push(plain / self.spread.deviation().max(1e-4));
                batch.is_last.push(runner.is_last);
                batch.fallen += usize::from(runner.moved.is_fallen || runner.moved.is_broken);
                if runner.is_last {
                    self.returns[number] = 0.0;
                }
                if let Some(cut) = &runner.cut {
                    let mut seen = vec![0.0; cut.len()];
                    policy.normaliser.apply(cut, &mut seen);
                    batch.cuts.push((step * count + number, seen));
                }
                if !runner.moved.is_broken {
                    let scores = scores(&runner.moved);
                    batch.scores.iter_mut().zip(scores).for_each(|(sum, it)| *sum += it);
                }
            }
        }
        batch.scores = batch.scores.map(|it| it / (steps * count) as f64);
        batch.after = self.seen(policy);
        batch
    }

    fn seen(&self, policy: &Policy) -> Vec<f32> {
        let width = policy.normaliser.observations();
        let mut seen = vec![0.0; width * self.runners.len()];
        for (seen, runner) in seen.chunks_exact_mut(width).zip(&self.runners) {
            policy.normaliser.apply(&runner.raw, seen);
        }
        seen
    }
}

impl<W: World> Runner<W> {
    fn step(&mut self, means: &[f32], sigma: &[f32], horizon: usize) {
        for ((action, mean), sigma) in self.action.iter_mut().zip(means).zip(sigma) {
            // As binary32, which is what learning sees of it.
            *action =
                f64::from((f64::from(*mean) + f64::from(*sigma) * self.stream.normal()) as f32);
        }
        self.moved = self.world.act(&self.action);
        self.world.observe(&mut self.raw);
        self.moved.is_broken |= self.raw.iter().any(|it| !it.is_finite());
        self.left -= 1;
        let ends_by_itself = self.moved.is_broken || self.moved.is_over;
        self.is_last = self.left == 0 || ends_by_itself;
        self.cut = (self.is_last && !ends_by_itself).then(|| self.raw.clone());
        if self.is_last {
            self.world.begin(&mut self.stream);
            self.world.observe(&mut self.raw);
            self.left = horizon;
        }
    }
}
