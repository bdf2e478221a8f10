//! All guards of a run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bad_input::BadInput;

use super::best::Best;
use super::drift::{self, Spans, Stand, Words};
use super::figures::StepFigures;
use super::held_out::HeldOut;
use super::settings::{GuardSettings, RangeSettings};
use super::track::Track;

/// Why a run is warned or stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The guard, by its key under `[guards]`.
    pub guard: &'static str,
    /// A sentence: figure, limit, what to change.
    pub text: String,
}

/// What becomes of a run after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Go,
    /// It goes on, and this should be read; each guard warns once until its figure is well again.
    Warn(Vec<Reason>),
    /// It ends.
    Stop(Reason),
}

/// What the guards see in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What becomes of the run.
    pub verdict: Verdict,
    /// Whether the weights that this step's figures were measured on are the best so far: by the
    /// held-out reward if there is one, else by reward minus cost of divergence over a window; never
    /// beyond the divergence that stops a run.
    pub is_best: bool,
}

/// The guards and what they remember.
#[derive(Debug, Clone)]
pub struct Guards {
    settings: GuardSettings,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    kl: Track,
    length: Track,
    entropy: Track,
    distinct: Track,
    copies: Track,
    empty: Track,
    unfinished: Track,
    /// Reward minus cost of divergence.
    worth: Track,
    without_spread: u64,
    not_finite: u64,
    held_out: HeldOut,
    /// Whether there ever was a held-out reward.
    has_held_out: bool,
    best: Best,
}

impl Guards {
    /// The guards of a run that begins.
    pub fn new(settings: GuardSettings) -> Self {
        Self { settings, state: State::default() }
    }

    /// The guards of a run that goes on.
    ///
    /// # Errors
    /// [`BadInput`] where `state` is not what [`Self::state`] gave.
    pub fn resume(settings: GuardSettings, state: &Value) -> Result<Self, BadInput> {
        let state = State::deserialize(state)
            .map_err(|error| BadInput::new(format!("the guards' state is damaged: {error}")))?;
        Ok(Self { settings, state })
    }

    /// What is remembered, every number by its bits.
    pub fn state(&self) -> Value {
        serde_json::to_value(&self.state).expect("numbers and lists have a JSON form")
    }

    /// The best step so far and what it was chosen by.
    pub fn best(&self) -> Option<(u64, f64)> {
        self.state.best.get()
    }

    /// Judges a step.
    pub fn look(&mut self, figures: &StepFigures) -> Look {
        let stop = self.at_once(figures);
        self.add(figures);
        let held_out = self.held_out(figures);
        let is_best = self.is_best(figures);
        let mut warnings = Vec::new();
        let mut stop = stop;
        if let Some(text) = held_out {
            stop.get_or_insert(Reason { guard: "held_out", text });
        }
        for (guard, stand) in self.stands() {
            let track = self.track(guard);
            match stand {
                Stand::Beyond(text) => {
                    stop.get_or_insert(Reason { guard, text });
                }
                Stand::Near(text) if !track.warned => {
                    track.warned = true;
                    warnings.push(Reason { guard, text });
                }
                Stand::Near(_) => {}
                Stand::Within => track.warned = false,
            }
        }
        warnings.extend(self.warned_of_spread());
        let verdict = match stop {
            Some(reason) => Verdict::Stop(reason),
            None if warnings.is_empty() => Verdict::Go,
            None => Verdict::Warn(warnings),
        };
        Look { verdict, is_best }
    }

    /// What stops without any window.
    fn at_once(&mut self, figures: &StepFigures) -> Option<Reason> {
        let (settings, state) = (&self.settings, &mut self.state);
        let is_finite = figures.gradient_norm.is_finite() && figures.kl.is_finite();
        state.not_finite = if is_finite { 0 } else { state.not_finite + 1 };
        state.without_spread = if figures.has_spread { 0 } else { state.without_spread + 1 };
        if settings.gradient.enabled && state.not_finite >= settings.gradient.steps {
            let text = format!(
                "the gradient's norm is {} and the divergence {} in {} steps in succession (guards.gradient.steps = {}): lower the learning rate, or compute in F32",
                figures.gradient_norm, figures.kl, state.not_finite, settings.gradient.steps
            );
            return Some(Reason { guard: "gradient", text });
        }
        if settings.spread.enabled && state.without_spread >= settings.spread.steps {
            let text = format!(
                "all completions of a group had one reward in {} steps in succession, so nothing was learned (guards.spread.steps = {}): raise the temperature or the number of completions a prompt, choose prompts of another difficulty, or give the reward more grades",
                state.without_spread, settings.spread.steps
            );
            return Some(Reason { guard: "spread", text });
        }
        let before = state.kl.mean();
        let leaps =
            state.kl.recent(settings.window).is_some() && figures.kl > settings.kl.leap * before;
        (settings.kl.enabled && leaps && figures.kl > settings.kl.stop).then(|| Reason {
            guard: "kl",
            text: format!(
                "the divergence from the base leapt from {before:.2} to {:.2} nats a completion in one step (guards.kl.leap = {}, guards.kl.stop = {}): lower the learning rate or cut gradients to a smaller norm",
                figures.kl, settings.kl.leap, settings.kl.stop
            ),
        })
    }

    fn add(&mut self, figures: &StepFigures) {
        let GuardSettings { start, window, .. } = self.settings;
        let state = &mut self.state;
        let worth = figures.reward - figures.kl_cost * figures.kl;
        for (track, figure) in [
            (&mut state.kl, Some(figures.kl)),
            (&mut state.length, Some(figures.mean_length)),
            (&mut state.entropy, figures.entropy),
            (&mut state.distinct, figures.distinct),
            (&mut state.copies, figures.copy_rate),
            (&mut state.empty, Some(figures.empty)),
            (&mut state.unfinished, Some(figures.unfinished)),
            (&mut state.worth, Some(worth)),
        ] {
            if let Some(figure) = figure {
                track.add(figure, start, window);
            }
        }
    }

    fn held_out(&mut self, figures: &StepFigures) -> Option<String> {
        let (settings, state) = (&self.settings.held_out, &mut self.state);
        state.held_out.add_step(figures.reward);
        let rewards = figures.held_out.as_deref()?;
        state.has_held_out = true;
        state.held_out.add(rewards, settings).filter(|_| settings.enabled)
    }

    fn is_best(&mut self, figures: &StepFigures) -> bool {
        let (settings, state) = (&self.settings, &mut self.state);
        if settings.kl.enabled && state.kl.mean() > settings.kl.stop {
            return false;
        }
        let score = match &figures.held_out {
            Some(rewards) if !rewards.is_empty() => {
                Some(rewards.iter().sum::<f64>() / rewards.len() as f64)
            }
            _ if state.has_held_out => None,
            _ => state.worth.recent(settings.window),
        };
        score.is_some_and(|score| state.best.see(figures.step, score))
    }

    /// How each figure stands that is judged over a window.
    fn stands(&self) -> Vec<(&'static str, Stand)> {
        let (settings, state) = (&self.settings, &self.state);
        let spans = Spans { start: settings.start, window: settings.window };
        let distinct = RangeSettings {
            enabled: settings.distinct.enabled,
            least: settings.distinct.least,
            most: f64::INFINITY,
        };
        let ratios = [
            (&LENGTH, &state.length, &settings.length),
            (&ENTROPY, &state.entropy, &settings.entropy),
            (&DISTINCT, &state.distinct, &distinct),
        ];
        let shares = [
            (&EMPTY, &state.empty, &settings.empty),
            (&UNFINISHED, &state.unfinished, &settings.unfinished),
        ];
        let ratios = ratios
            .iter()
            .filter(|(_, _, range)| range.enabled)
            .map(|(words, track, range)| (words.key, drift::of_ratio(track, spans, range, words)));
        let shares = shares
            .iter()
            .filter(|(_, _, limit)| limit.enabled)
            .map(|(words, track, limit)| (words.key, drift::of_share(track, spans, limit, words)));
        let copies = settings.copies.enabled.then(|| {
            (COPIES.key, drift::of_copies(&state.copies, spans, &settings.copies, &COPIES))
        });
        let kl = settings.kl.enabled.then(|| ("kl", self.kl_stand()));
        kl.into_iter().chain(ratios).chain(copies).chain(shares).collect()
    }

    fn kl_stand(&self) -> Stand {
        let (settings, track) = (&self.settings.kl, &self.state.kl);
        let Some(mean) = track.recent(self.settings.window) else { return Stand::Within };
        let said = || {
            format!(
                "the divergence from the base is {mean:.2} nats a completion over the last {} steps (guards.kl.stop = {}): raise its cost, lower the learning rate, or raise the limit if the texts are still good",
                self.settings.window, settings.stop
            )
        };
        match mean {
            _ if mean > settings.stop => Stand::Beyond(said()),
            _ if mean > 0.75 * settings.stop => Stand::Near(said()),
            _ => Stand::Within,
        }
    }

    fn warned_of_spread(&self) -> Option<Reason> {
        let spread = &self.settings.spread;
        let half = spread.steps.div_ceil(2);
        (spread.enabled && spread.steps > 1 && self.state.without_spread == half).then(|| Reason {
            guard: "spread",
            text: format!(
                "all completions of a group had one reward in {half} steps in succession; {} stop the run (guards.spread.steps)",
                spread.steps
            ),
        })
    }

    fn track(&mut self, guard: &str) -> &mut Track {
        let state = &mut self.state;
        match guard {
            "length" => &mut state.length,
            "entropy" => &mut state.entropy,
            "distinct" => &mut state.distinct,
            "copies" => &mut state.copies,
            "empty" => &mut state.empty,
            "unfinished" => &mut state.unfinished,
            _ => &mut state.kl,
        }
    }
}

const LENGTH: Words = Words {
    key: "length",
    name: "the mean length of completions",
    cure: "does the reward pay for length alone? Add a limit to it, or widen this one",
};
const ENTROPY: Words = Words {
    key: "entropy",
    name: "the entropy of a token",
    cure: "raise the cost of divergence, lower the learning rate, or add an entropy bonus",
};
const DISTINCT: Words = Words {
    key: "distinct",
    name: "the share of different n-grams",
    cure: "the policy repeats a few phrases; raise the cost of divergence or penalise repetition in the reward",
};
const COPIES: Words = Words {
    key: "copies",
    name: "the share of n-grams copied from the prompt",
    cure: "the reward may pay for copying; penalise it there",
};
const EMPTY: Words = Words {
    key: "empty",
    name: "the share of empty completions",
    cure: "the reward may only punish; give something for an answer, or ask for a least length",
};
const UNFINISHED: Words = Words {
    key: "unfinished",
    name: "the share of unfinished completions",
    cure: "raise the limit of new tokens, or let the reward ask for an end",
};

#[cfg(test)]
mod tests;
