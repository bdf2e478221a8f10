//! Scores of policies: every candidate runs the same episodes, which are a function of the seed and their number alone.
//!
//! Actions are means, without noise. A score is the mean of a reward over the steps of an episode, so that *risky* is metres a
//! second. An episode that ends early, by a fall or because the simulation broke, has zeros for the steps that it did not have. One
//! in which the body lay on its back or fell, or the simulation broke, has collapsed.

use potluck_train::stream::Stream;
use rayon::prelude::*;

use crate::policy::Policy;
use crate::reward::{Scores, scores};
use crate::world::World;

/// Worlds that move side by side: as many as fit the nearest cache.
const SIDE_BY_SIDE: usize = 64;

/// What moves the body.
#[derive(Debug)]
pub enum Mover<'a> {
    /// One policy.
    Model(&'a Policy),
    /// The mean of several policies' mean actions, by shares: as many nets at each step as there are policies.
    Ensemble(Vec<(f64, &'a Policy)>),
}

/// What came of an episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// The mean of each reward over its steps.
    pub scores: Scores,
    /// The mean of the effort.
    pub effort: f64,
    /// Whether the body lay on its back or fell, or the simulation broke.
    pub is_collapsed: bool,
}

/// The means of scores over episodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Of each reward.
    pub means: Scores,
    /// The standard error of each.
    pub errors: Scores,
    /// The part of episodes that collapsed.
    pub collapsed: f64,
}

impl Mover<'_> {
    /// Mean actions for rows of raw observations.
    pub fn actions(&self, raw: &[f64]) -> Vec<f64> {
        match self {
            Self::Model(policy) => policy.means(raw).into_iter().map(f64::from).collect(),
            Self::Ensemble(policies) => {
                let mut sum = Vec::new();
                for (share, policy) in policies {
                    let means = policy.means(raw);
                    sum.resize(means.len(), 0.0);
                    sum.iter_mut().zip(means).for_each(|(sum, it)| *sum += share * f64::from(it));
                }
                sum
            }
        }
    }
}

/// Runs `episodes` episodes of `horizon` steps.
pub fn run<W: World>(
    make: impl Fn() -> W + Sync,
    mover: &Mover<'_>,
    episodes: usize,
    horizon: usize,
    seed: u64,
) -> Vec<Episode> {
    let mut done = Vec::with_capacity(episodes);
    let numbers: Vec<u64> = (0..episodes as u64).collect();
    for part in numbers.chunks(SIDE_BY_SIDE) {
        done.extend(run_part(&make, mover, part, horizon, seed));
    }
    done
}

fn run_part<W: World>(
    make: &(impl Fn() -> W + Sync),
    mover: &Mover<'_>,
    numbers: &[u64],
    horizon: usize,
    seed: u64,
) -> Vec<Episode> {
    let begin = |number: &u64| {
        let mut world = make();
        world.begin(&mut Stream::of("locomotion episode", &[seed, *number]));
        (world, Episode { scores: [0.0; 2], effort: 0.0, is_collapsed: false }, false)
    };
    let mut worlds: Vec<_> = numbers.par_iter().map(begin).collect();
    let width = worlds[0].0.observations();
    // A product's last bit may depend on how many rows it has: all have as many, and those too many are zeros.
    let mut raw = vec![0.0; width * SIDE_BY_SIDE];
    for _ in 0..horizon {
        for ((world, ..), raw) in worlds.iter().zip(raw.chunks_exact_mut(width)) {
            world.observe(raw);
            // A broken simulation is not moved any more; the others' rows must stay numbers.
            raw.iter_mut().filter(|it| !it.is_finite()).for_each(|it| *it = 0.0);
        }
        let actions = mover.actions(&raw);
        let actions = actions.par_chunks_exact(actions.len() / SIDE_BY_SIDE);
        worlds.par_iter_mut().zip(actions).for_each(|((world, episode, is_over), action)| {
            // Sums of an episode that is over end where it did.
            if *is_over {
                return;
            }
            let moved = world.act(action);
            episode.is_collapsed |= moved.is_fallen || moved.is_broken;
            *is_over = moved.is_over || moved.is_broken;
            if moved.is_broken {
                return;
            }
            episode.effort += moved.effort;
            let scores = scores(&moved);
            episode.scores.iter_mut().zip(scores).for_each(|(sum, it)| *sum += it);
        });
    }
    let mean = |(_, episode, _): (W, Episode, bool)| Episode {
        scores: episode.scores.map(|it| it / horizon as f64),
        effort: episode.effort / horizon as f64,
        ..episode
    };
    worlds.into_iter().map(mean).collect()
}

/// Means and standard errors.
pub fn summary(episodes: &[Episode]) -> Summary {
    let count = episodes.len() as f64;
    let mean = |at: usize| episodes.iter().map(|it| it.scores[at]).sum::<f64>() / count;
    let means = [mean(0), mean(1)];
    let error = |at: usize| {
        let squares = episodes.iter().map(|it| (it.scores[at] - means[at]).powi(2)).sum::<f64>();
        (squares / (count - 1.0).max(1.0) / count).sqrt()
    };
    let collapsed = episodes.iter().filter(|it| it.is_collapsed).count() as f64 / count;
    Summary { means, errors: [error(0), error(1)], collapsed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::tests::sample;
    use crate::world::Moved;

    /// It shows what it is told; below −0.9 it breaks, above 0.9 it has fallen, and is over if it may not fall.
    struct Mirror {
        place: f64,
        shown: f64,
        ends_fallen: bool,
    }

    fn mirror(ends_fallen: bool) -> impl Fn() -> Mirror + Sync {
        move || Mirror { place: 0.0, shown: 0.0, ends_fallen }
    }

    impl World for Mirror {
        fn observations(&self) -> usize {
            3
        }
        fn actions(&self) -> usize {
            2
        }
        fn begin(&mut self, stream: &mut Stream) {
            (self.place, self.shown) = (2.0 * stream.unit() - 1.0, 0.0);
        }
        fn observe(&self, into: &mut [f64]) {
            into.copy_from_slice(&[self.place, self.shown, 0.0]);
        }
        fn act(&mut self, action: &[f64]) -> Moved {
            self.shown = action[0];
            let is_broken = self.place < -0.9;
            Moved {
                velocity: self.place,
                effort: action[0].powi(2),
                is_fallen: self.place > 0.9,
                is_over: self.place > 0.9 && self.ends_fallen,
                is_broken,
                ..Moved::default()
            }
        }
    }

    #[test]
    fn episodes_are_the_same_for_every_candidate_and_number_of_them() {
        let (a, b) = (sample(1), sample(2));
        let of = |mover: &Mover, episodes| run(mirror(false), mover, episodes, 5, 9);
        let all = of(&Mover::Model(&a), 100);
        assert_eq!(all[..7], of(&Mover::Model(&a), 7)[..7]);
        let other = of(&Mover::Model(&b), 100);
        assert!(all.iter().zip(&other).all(|(a, b)| a.scores[0] == b.scores[0]));
        let whole = of(&Mover::Ensemble(vec![(1.0, &a), (0.0, &b)]), 100);
        assert_eq!(whole, all, "all of one is that one");
    }

    #[test]
    fn what_falls_or_breaks_has_collapsed() {
        let policy = sample(1);
        let all = run(mirror(false), &Mover::Model(&policy), 400, 4, 9);
        let summary = summary(&all);
        assert!((0.05..0.15).contains(&summary.collapsed), "{summary:?}");
        assert!(all.iter().all(|it| it.scores.iter().all(|it| it.is_finite())));
        assert!(summary.errors[0] > 0.0 && summary.means[0].abs() < 0.15, "{summary:?}");
    }

    #[test]
    fn after_its_end_an_episode_has_zeros() {
        let policy = sample(1);
        let of = |ends| run(mirror(ends), &Mover::Model(&policy), 400, 4, 9);
        let mut ended = 0;
        for (whole, short) in of(false).iter().zip(of(true)) {
            // Who falls here does so at once, and has one of four steps.
            let share = if whole.is_collapsed && whole.scores[0] > 0.0 { 0.25 } else { 1.0 };
            ended += usize::from(share < 1.0);
            assert!((short.scores[0] - share * whole.scores[0]).abs() < 1e-12);
            assert_eq!(short.is_collapsed, whole.is_collapsed);
        }
        assert!(ended > 5, "{ended}");
    }
}
