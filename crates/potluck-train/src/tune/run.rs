//! A run from a recipe to an outbox: `work` is kept from step to step, `outbox` is what may leave.
//!
//! ```text
//! recipe, model, data, rewards -> RunState -> [ step -> metrics -> checkpoint ]* -> outbox + card
//! ```
//! A run that is killed at any moment goes on from its last checkpoint and ends with the same bytes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::algorithm::AdamW;
use crate::bad_input::BadInput;
use crate::hf::{Folder, SaveError, Scorer};
use crate::reward::{RewardError, Rewards, Shown, TextScorer};
use crate::text::{ChatTemplate, TextTokenizer};

use super::digest::{digest_of, model_digest};
use super::handover::{Handover, hand_over};
use super::policy::Policy;
use super::recipe::{Device, Kind, Recipe};
use super::reinforce::reinforce;
use super::settings::Algorithm;
use super::sft::SftError;
use super::state::{RunState, StateError, WorkFolder};
use super::step::StepError;
use super::supervise::supervise;
use super::words::FolderWords;

/// Why a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// All steps of the recipe are done.
    Steps,
    /// It went as far from the base as the recipe allows, in nats a completion.
    Kl(f64),
    /// A guard saw something: its key, and its words.
    Guard(String, String),
    /// Somebody asked for it. The same command goes on.
    Interrupted,
}

/// A run that could not be brought to its end; what its last checkpoint holds is kept.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Something given to us cannot be used.
    #[error(transparent)]
    Input(#[from] BadInput),
    /// The run's state could not be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// A reward failed; nothing was learned from the batch.
    #[error(transparent)]
    Reward(Box<RewardError>),
    /// A step could not be taken.
    #[error("{0}")]
    Step(String),
    /// The model could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The disk refused.
    #[error("cannot use {0}")]
    Disk(String, #[source] std::io::Error),
}

impl From<StepError<RewardError>> for RunError {
    fn from(error: StepError<RewardError>) -> Self {
        match error {
            StepError::Score(error) => Self::Reward(Box::new(error)),
            other => Self::Step(other.to_string()),
        }
    }
}

impl From<SftError> for RunError {
    fn from(error: SftError) -> Self {
        Self::Step(error.to_string())
    }
}

/// A run's fixed parts.
pub(super) struct Run<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) folder: &'a Folder,
    pub(super) words: &'a FolderWords,
    pub(super) work: &'a WorkFolder,
    /// Set from outside where the run shall end after its step.
    pub(super) interrupted: &'a AtomicBool,
}

impl Run<'_> {
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// Follows `recipe` into the folder `out`, and says what came of it.
///
/// # Errors
/// [`RunError`].
pub fn run(recipe: &Recipe, out: &Path, interrupted: &AtomicBool) -> Result<Value, RunError> {
    let unusable = |error| BadInput::because(&recipe.model, error);
    let folder = Folder::open(&recipe.model).map_err(unusable)?;
    if recipe.device == Device::Cuda && !tch::Cuda::is_available() {
        let fault = "device = \"cuda\": libtorch sees no GPU here; `cargo xtask libtorch` fetches the one for processors";
        return Err(BadInput::new(fault).into());
    }
    let (rewards, held_out) = match &recipe.kind {
        Kind::Rl(own) => {
            let held_out = own.held_out.as_ref().and_then(|table| table.reward.as_ref());
            (
                Some(read_rewards(recipe, &own.rewards)?),
                held_out.map(|tables| read_rewards(recipe, tables)).transpose()?,
            )
        }
        _ => (None, None),
    };
    let begun_from = model_digest(&recipe.model)?;
    // A party that goes on from a soup hands on an expert of the base that all began with.
    let base = match &recipe.reference {
        Some(reference) => model_digest(reference)?,
        None => begun_from,
    };
    let settings = json!({
        "recipe": recipe.text,
        "base": base.to_hex().as_str(),
        "begun_from": begun_from.to_hex().as_str(),
        "data": digest_of(&recipe.file)?.to_hex().as_str(),
        "rewards": rewards.as_ref().map(|it| blake3::hash(it.definition()).to_hex().to_string()),
        "threads": tch::get_num_threads(),
    });
    let work = WorkFolder::new(&out.join("work"), &settings);
    let outbox = out.join("outbox");
    if let Some(result) = work.result()?.filter(|_| outbox.exists()) {
        return Ok(result);
    }
    let stops: &[String] = match &recipe.kind {
        Kind::Rl(own) => &own.sampling.stop,
        _ => &[],
    };
    let words = FolderWords::new(recipe.tokenizer()?, &folder, stops);
    let mut state = begin(recipe, &folder)?;
    work.restore(&mut state)?;
    let run = Run { recipe, folder: &folder, words: &words, work: &work, interrupted };
    let (stop, definition) = match (&recipe.kind, rewards) {
        (Kind::Rl(own), Some(rewards)) => {
            let definition = rewards.definition().to_vec();
            (reinforce(&run, own, (rewards, held_out), &mut state)?, Some(definition))
        }
        (Kind::Sft(settings) | Kind::Pretrain(settings), _) => {
            (supervise(&run, settings, &mut state)?, None)
        }
        (Kind::Rl(_), None) => unreachable!("a recipe of this kind has rewards"),
    };
    if stop == Stop::Interrupted {
        return Ok(json!({
            "verb": "run", "stopped": "interrupted", "steps": state.counters.step,
            "work": out.join("work"),
        }));
    }
    // A run that a guard ended hands on what was best, not what it became.
    let is_best = matches!(stop, Stop::Guard(..)) && state.return_to_best();
    let handover =
        Handover { recipe, folder: &folder, base, begun_from, state: &state, stop: &stop, is_best };
    let result = hand_over(&handover, out, definition.as_deref())?;
    work.finish(&result)?;
    Ok(result)
}

fn begin(recipe: &Recipe, folder: &Folder) -> Result<RunState, RunError> {
    let mut decoder = folder.load().map_err(|error| BadInput::because(&recipe.model, error))?;
    if recipe.device == Device::Cuda {
        decoder.move_to(tch::Device::Cuda(0));
    }
    decoder.compute_in(recipe.precision.kind(recipe.device));
    let policy = Policy::new(decoder, recipe.lora.as_ref(), recipe.seed)
        .map_err(|error| BadInput::new(format!("[lora]: {error}")))?;
    let has_value = matches!(&recipe.kind, Kind::Rl(own) if own.rl.algorithm == Algorithm::Ppo);
    let policy = if has_value { policy.with_value_head() } else { policy };
    let trained = policy.trained().into_iter().map(|(_, tensor)| tensor);
    let optimiser = AdamW::new(trained, recipe.optimiser.betas());
    Ok(RunState::begin(policy, optimiser, recipe.optimiser.ema.is_some()))
}

pub(super) fn read_rewards(recipe: &Recipe, tables: &toml::Value) -> Result<Rewards, BadInput> {
    let mut open = |path: &Path| -> Result<Box<dyn TextScorer>, BadInput> {
        let scorer = Scorer::open(path).map_err(|error| BadInput::because(path, error))?;
        // Whoever has no conversations needs no template, so what is wrong with it is told to others.
        let tokenizer = TextTokenizer::open(path).map_err(|error| error.to_string());
        let template = tokenizer.map(|it| it.template().cloned());
        Ok(Box::new(Model { scorer, template, path: path.to_owned() }))
    };
    Rewards::parse_with(tables, &recipe.folder, &mut open)
        .map_err(|error| BadInput::file(&recipe.path, &error))
}

/// A reward model's folder as rewards see it.
struct Model {
    scorer: Scorer,
    template: Result<Option<ChatTemplate>, String>,
    path: PathBuf,
}

impl TextScorer for Model {
    fn template(&self) -> Result<Option<&ChatTemplate>, String> {
        self.template.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    fn score(&mut self, texts: &[Shown]) -> Result<Vec<f64>, String> {
        let read = |(row, it): (usize, &Shown)| {
            self.scorer.read_one(row, &it.first, it.second.as_deref(), it.around)
        };
        let scores = texts.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>();
        let scores = scores.and_then(|readings| self.scorer.chosen_scores(&readings));
        scores.map_err(|error| format!("{}: {error}", self.path.display()))
    }
}
