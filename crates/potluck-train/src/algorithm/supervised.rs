//! The supervised loop: language modelling on news and summaries, then on summaries alone.

use std::time::Instant;

use tch::Kind;

use crate::hf::{Group, Packed};
use crate::journal::{Journal, JournalSettings, LiveFigures, Part};
use crate::recipe::Supervised;
use crate::task::{NewsDesk, Split};
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::tune::{RunState, StateError, WorkFolder};

use super::CHECKPOINT_EVERY;

/// The norm to which gradients are cut.
const MOST_GRADIENT: f64 = 1.0;

/// Which supervised stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Every token counts.
    Pretrain,
    /// The summary's tokens count.
    Sft,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Pretrain => "pretrain",
            Self::Sft => "sft",
        }
    }
}

/// One passage through a stage: a base that does not copy well enough goes through both again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// The stage.
    pub stage: Stage,
    /// How many times both stages were passed before.
    pub round: u64,
}

impl Phase {
    /// The phase that a run's `number`th stage is, counted from 0: the two stages take turns.
    pub fn of(number: u64) -> Self {
        let stage = if number.is_multiple_of(2) { Stage::Pretrain } else { Stage::Sft };
        Self { stage, round: number / 2 }
    }

    /// Its name in metrics and messages: `pretrain`, `sft`, `pretrain-2`, `sft-2`, …
    pub fn name(self) -> String {
        match self.round {
            0 => self.stage.name().to_owned(),
            round => format!("{}-{}", self.stage.name(), round + 1),
        }
    }
}

/// Trains from `state` to the end of its stage, on the news of `seed` from item `first` on.
///
/// # Errors
/// [`StateError`] where checkpoints or metrics cannot be written.
pub fn train_supervised(
    recipe: &Supervised,
    (seed, first): (u64, u64),
    tokenizer: &Tokenizer,
    work: &WorkFolder,
    state: &mut RunState,
) -> Result<(), StateError> {
    let folder = work.file("");
    let disk = |error| StateError::Disk(folder.clone(), error);
    let phase = Phase::of(state.counters.stage);
    let name = phase.name();
    let earlier: Vec<_> =
        (0..state.counters.stage).map(|number| Phase::of(number).name()).collect();
    let earlier: Vec<&str> = earlier.iter().map(String::as_str).collect();
    let part =
        Part { stage: &name, earlier: &earlier, step: state.counters.step, steps: recipe.steps };
    let mut journal = Journal::open(&folder, &JournalSettings::plain(), part).map_err(disk)?;
    let desk = match recipe.briefs {
        true => NewsDesk::briefs(seed, recipe.disputed),
        false => NewsDesk::news(seed, recipe.disputed),
    };
    let mut loss = f64::NAN;
    while state.counters.step < recipe.steps {
        let start = Instant::now();
        let first = first + state.counters.step * recipe.items;
        let groups = groups(recipe, &desk, tokenizer, first..first + recipe.items)
            .map_err(|error| StateError::Weights(error.to_string()))?;
        let everything = vec![true; groups.iter().map(|(it, _)| it.len()).max().unwrap_or(0)];
        let rows: Vec<Vec<Group>> = groups
            .iter()
            .map(|(prompt, references)| {
                let learned = match phase.stage {
                    Stage::Pretrain => &everything[..prompt.len()],
                    Stage::Sft => &[],
                };
                let completions = references.iter().map(Vec::as_slice).collect();
                vec![Group { prompt, learned, completions }]
            })
            .collect();
        let decoder = state.policy.decoder();
        let packed = Packed::new(decoder.architecture(), &rows, decoder.device())
            .map_err(|error| StateError::Weights(error.to_string()))?;
        let mean = -packed.log_probs(decoder, 1.0).mean(Kind::Float);
        mean.backward();
        loss = mean.double_value(&[]);
        let rate = learning_rate(recipe, state.counters.step);
        let trained = state.policy.trained();
        let weights = trained.iter().map(|(_, tensor)| *tensor);
        let norm = state.optimiser.step(weights, rate, recipe.weight_decay, MOST_GRADIENT);
        let figures = [("loss", loss), ("learning_rate", rate), ("grad_norm", norm)];
        let seconds = start.elapsed().as_secs_f64();
        let length = |(prompt, references): &Texts| {
            prompt.len() + references.iter().map(Vec::len).sum::<usize>()
        };
        let live = LiveFigures {
            tokens: groups.iter().map(length).sum::<usize>() as u64,
            seconds,
            loss: Some(loss),
            ..LiveFigures::default()
        };
        journal.step(state.counters.step, &figures, &live).map_err(disk)?;
        state.counters.step += 1;
        state.add_seconds(seconds);
        if state.counters.step.is_multiple_of(CHECKPOINT_EVERY)
            || state.counters.step == recipe.steps
        {
            work.keep(state)?;
        }
    }
    journal.end(&format!("done, loss {loss:.3}")).map_err(disk)
}

/// The tokens of a prompt and of its references.
type Texts = (Vec<i64>, Vec<Vec<i64>>);

/// The groups of the items `numbers`.
fn groups(
    recipe: &Supervised,
    desk: &NewsDesk,
    tokenizer: &Tokenizer,
    numbers: std::ops::Range<u64>,
) -> Result<Vec<Texts>, TokenizerError> {
    numbers
        .map(|number| {
            let item = desk.item(Split::Train, number);
            let references = (0..recipe.references)
                .map(|variant| {
                    let text = desk.reference(Split::Train, number, &item, variant, recipe.noise);
                    let mut tokens = tokenizer.encode(&text)?;
                    tokens.push(tokenizer.special().eos);
                    Ok(tokens)
                })
                .collect::<Result<_, TokenizerError>>()?;
            Ok((tokenizer.prompt(item.article())?, references))
        })
        .collect()
}

/// Linear to the peak, then along a half cosine to a tenth of it.
fn learning_rate(recipe: &Supervised, step: u64) -> f64 {
    if step < recipe.warmup {
        return recipe.learning_rate * (step + 1) as f64 / recipe.warmup as f64;
    }
    let way = (step - recipe.warmup) as f64 / (recipe.steps - recipe.warmup).max(1) as f64;
    recipe.learning_rate * (0.55 + 0.45 * (std::f64::consts::PI * way).cos())
}
