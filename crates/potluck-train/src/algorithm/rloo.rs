//! RLOO on the news: from a base to an expert on one reward.
//!
//! The step is [`Learner`]'s, as TRL has it (`RLOOTrainer`), in F32; one update is made on each batch.

use std::convert::Infallible;

use crate::hf::{Decoder, Sampling};
use crate::journal::{Journal, JournalSettings, Part};
use crate::recipe::Rl;
use crate::reward::Reward;
use crate::rollout::MOST_TOKENS;
use crate::task::{Item, NewsDesk, Split};
use crate::tokenizer::Tokenizer;
use crate::tune::{
    KlSettings, Learner, OptimiserSettings, PpoSettings, Prompt, RlSettings, RunState,
    SamplingSettings, Scale, StateError, StepError, Stop, Words, WorkFolder, Written,
};

use super::CHECKPOINT_EVERY;

/// Over so many steps the divergence is averaged before it can stop a run.
const KL_WINDOW: usize = 10;

/// What [`train_expert`] works with.
#[derive(Debug)]
pub struct Expert<'a> {
    /// The recipe's part on RL.
    pub recipe: &'a Rl,
    /// The reward.
    pub reward: &'a Reward,
    /// The base, which stays as it is.
    pub base: &'a Decoder,
    /// The base's tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Whose prompts are trained on.
    pub desk: &'a NewsDesk,
    /// Where the run is kept.
    pub work: &'a WorkFolder,
}

/// Summaries' words: a summary is read from its tokens, not from their text.
struct Summaries<'a>(&'a Tokenizer, [i64; 1]);

impl Words for Summaries<'_> {
    fn text(&self, tokens: &[i64]) -> String {
        self.0.text(tokens)
    }

    fn ends(&self) -> &[i64] {
        &self.1
    }
}

/// Trains from `state` until the steps are done or the divergence passes its limit.
///
/// # Errors
/// [`StateError`] where checkpoints or metrics cannot be written, or a step cannot be taken.
pub fn train_expert(expert: &Expert, state: &mut RunState) -> Result<Stop, StateError> {
    let Expert { recipe, work, tokenizer, .. } = expert;
    let folder = work.file("");
    let disk = |error| StateError::Disk(folder.clone(), error);
    let part = Part { stage: "rl", earlier: &[], step: state.counters.step, steps: recipe.steps };
    let mut journal = Journal::open(&folder, &JournalSettings::plain(), part).map_err(disk)?;
    let rl = RlSettings {
        steps: recipe.steps,
        prompts: recipe.prompts as usize,
        group: recipe.group as usize,
        scale: recipe.normalise.then_some(Scale::Batch),
        ..RlSettings::default()
    };
    let kl = KlSettings { cost: recipe.kl_cost, ..rl.kl() };
    let sampling = SamplingSettings { max_tokens: MOST_TOKENS, ..SamplingSettings::default() };
    let optimiser = OptimiserSettings {
        learning_rate: recipe.learning_rate,
        warmup: recipe.warmup,
        ..OptimiserSettings::default()
    };
    let reference = expert.base.snapshot(tch::Kind::Float);
    let learner = Learner {
        rl: &rl,
        ppo: &PpoSettings::default(),
        kl: &kl,
        sampling: &sampling,
        sampler: &Sampling::default(),
        optimiser: &optimiser,
        reference: Some(&reference),
        words: &Summaries(tokenizer, [tokenizer.special().eos]),
        seed: expert.desk.seed,
    };
    let mut stopped = has_stopped(recipe, state);
    while stopped.is_none() {
        let step = state.counters.step;
        let (items, prompts) = prompts(expert, step)?;
        let mut broken = 0;
        let (figures, _) = learner
            .step(state, &prompts, |_, written| {
                let judged = judge(expert, &items, written);
                broken = judged.iter().filter(|(_, is_broken)| *is_broken).count();
                Ok(judged.into_iter().map(|(score, _)| Some(score)).collect())
            })
            .map_err(|error: StepError<Infallible>| StateError::Weights(error.to_string()))?;
        let mut named = figures.named();
        named.push(("completions/broken_ratio", broken as f64 / figures.completions as f64));
        journal.step(step, &named, &figures.live()).map_err(disk)?;
        state.remember(&figures, KL_WINDOW);
        stopped = has_stopped(recipe, state);
        if state.counters.step.is_multiple_of(CHECKPOINT_EVERY) || stopped.is_some() {
            work.keep(state)?;
        }
    }
    journal.end(&format!("done, kl {:.2}", state.recent_kl())).map_err(disk)?;
    Ok(stopped.unwrap_or(Stop::Steps))
}

fn has_stopped(recipe: &Rl, state: &RunState) -> Option<Stop> {
    let kl = state.recent_kl();
    match state.counters.recent.len() == KL_WINDOW && kl > recipe.kl_stop {
        true => Some(Stop::Kl(kl)),
        false => (state.counters.step >= recipe.steps).then_some(Stop::Steps),
    }
}

/// Each completion's score, and whether it is broken.
fn judge(expert: &Expert, items: &[Item], written: &[Written]) -> Vec<(f64, bool)> {
    let group = expert.recipe.group as usize;
    let each = written.iter().enumerate().map(|(index, written)| {
        let text = expert.tokenizer.finished_text(&written.tokens);
        let judged = expert.reward.judge(&items[index / group], text.as_deref());
        (judged.score, judged.claims.is_none())
    });
    each.collect()
}

fn prompts(expert: &Expert, step: u64) -> Result<(Vec<Item>, Vec<Prompt>), StateError> {
    let count = expert.recipe.prompts;
    let items: Vec<_> = (step * count..(step + 1) * count)
        .map(|index| expert.desk.item(Split::Train, index))
        .collect();
    let prompt = |item: &Item| {
        let tokens = expert.tokenizer.prompt(item.article())?;
        Ok(Prompt {
            text: item.article().to_owned(),
            conversation: None,
            tokens,
            columns: Default::default(),
        })
    };
    let prompts: Result<_, crate::tokenizer::TokenizerError> = items.iter().map(prompt).collect();
    Ok((items, prompts.map_err(|error| StateError::Weights(error.to_string()))?))
}
