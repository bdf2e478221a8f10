//! Supervised fine-tuning and language modelling on a party's examples, from a state to its end.

use crate::data::{Example, Examples};
use crate::journal::{Journal, LiveFigures, Part};

use super::recipe::Kind;
use super::run::{Run, RunError, Stop};
use super::sft::{SftSettings, held_out_loss, supervised_step};
use super::state::{RunState, StateError};

/// The most held-out examples that are measured.
const MOST_HELD_OUT: usize = 256;

/// Trains until the steps are done, or somebody asks to stop.
pub(super) fn supervise(
    run: &Run,
    settings: &SftSettings,
    state: &mut RunState,
) -> Result<Stop, RunError> {
    let recipe = run.recipe;
    let name = if matches!(recipe.kind, Kind::Pretrain(_)) { "pretrain" } else { "sft" };
    let examples = Examples::read(&recipe.file, run.words.tokenizer(), &recipe.data, recipe.seed)?;
    let held_out: &[Example] = examples.held_out();
    let held_out = &held_out[..held_out.len().min(MOST_HELD_OUT)];
    let folder = run.work.file("");
    let disk = |error| StateError::Disk(folder.clone(), error);
    let part = Part { stage: name, earlier: &[], step: state.counters.step, steps: settings.steps };
    let mut journal = Journal::open(&folder, &recipe.journal, part).map_err(disk)?;
    let mut loss = f64::NAN;
    while state.counters.step < settings.steps {
        let step = state.counters.step;
        let figures = supervised_step(settings, &recipe.optimiser, &examples, state)?;
        let mut named = vec![
            ("loss", figures.loss),
            ("grad_norm", figures.grad_norm),
            ("learning_rate", figures.rate),
            ("num_tokens", figures.tokens as f64),
            ("step_time", figures.seconds),
        ];
        loss = figures.loss;
        let is_last = state.counters.step == settings.steps;
        if is_last || state.counters.step.is_multiple_of(settings.evaluate_every) {
            let at_once = settings.at_once.unwrap_or(settings.examples);
            let decoder = state.policy.decoder();
            let loss = held_out_loss(decoder, held_out, at_once, settings.packing)
                .map_err(|error| RunError::Step(error.to_string()))?;
            if let Some(loss) = loss {
                named.push(("eval_loss", loss));
            }
        }
        let live = LiveFigures {
            tokens: figures.computed as u64,
            seconds: figures.seconds,
            loss: Some(loss),
            ..LiveFigures::default()
        };
        journal.step(step, &named, &live).map_err(disk)?;
        state.add_seconds(figures.seconds);
        let stops = run.is_interrupted();
        if is_last || stops || state.counters.step.is_multiple_of(recipe.checkpoint_every) {
            run.work.keep(state)?;
        }
        if stops && !is_last {
            journal.end("stopped").map_err(disk)?;
            return Ok(Stop::Interrupted);
        }
    }
    journal.end(&format!("done, loss {loss:.3}")).map_err(disk)?;
    Ok(Stop::Steps)
}
