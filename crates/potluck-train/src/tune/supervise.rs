//! Supervised fine-tuning and language modelling on a party's examples, from a state to its end.

use crate::algorithm::MetricsFile;
use crate::data::{Example, Examples};
use crate::progress::Progress;

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
    let examples =
        Examples::read(&recipe.file, run.words.tokenizer(), &recipe.data, recipe.seed)?;
    let held_out: &[Example] = examples.held_out();
    let held_out = &held_out[..held_out.len().min(MOST_HELD_OUT)];
    let path = run.work.file("metrics.jsonl");
    let disk = |error| StateError::Disk(path.clone(), error);
    let mut metrics =
        MetricsFile::resume(&path, &[], name, state.counters.step).map_err(disk)?;
    let mut progress = Progress::new(name, settings.steps, state.counters.step);
    let mut told = String::new();
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
        told = format!(
            "loss {:.3} {:.0} tokens/s",
            figures.loss,
            figures.computed as f64 / figures.seconds.max(1e-9)
        );
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
        metrics.add(name, step, &named).map_err(disk)?;
        state.add_seconds(figures.seconds);
        let stops = run.is_interrupted();
        if is_last || stops || state.counters.step.is_multiple_of(recipe.checkpoint_every) {
            run.work.keep(state)?;
        }
        progress.at(state.counters.step, || told.clone());
        if stops && !is_last {
            progress.end("stopped");
            return Ok(Stop::Interrupted);
        }
    }
    progress.end(&format!("done, {told}"));
    Ok(Stop::Steps)
}
