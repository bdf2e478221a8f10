//! What a run tells while it goes on: figures of each step, some texts, a line for who watches.
//!
//! ```text
//! folder/metrics.jsonl                      one object a step
//! folder/samples.jsonl                      one object a text
//! folder/tensorboard/STAGE/events.out...    the same for TensorBoard
//! folder/wandb/STAGE/offline-run-...        the figures for Weights & Biases, if they are asked for
//! stderr                                    a live line, or a plain one now and then
//! ```
//! A run that was killed went on for some steps after its last checkpoint; opened again, a journal
//! drops those, so that each step stands in it once. Nothing here leaves the machine: the folder is
//! the party's, and no file of it goes to an outbox. Names are those that users of TRL know.

mod names;
mod lines;
mod protobuf;
mod crc;
mod events;
mod wandb;
mod live;

use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use events::EventFile;
pub use lines::LinesFile;
pub use live::{Live, LiveFigures};
pub use names::{
    CLIPPED_RATIO, ENTROPY, FRAC_ZERO_STD, GRAD_NORM, KL, LEARNING_RATE, LOSS, MAX_LENGTH,
    MEAN_LENGTH, MEAN_TERMINATED_LENGTH, MIN_LENGTH, NUM_TOKENS, REWARD, REWARD_STD, STEP_TIME,
    reward_part,
};
pub use wandb::OfflineRun;

/// The `[journal]` of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalSettings {
    /// Whether event files for TensorBoard are written.
    pub tensorboard: bool,
    /// The project of an offline run of Weights & Biases; none is written if it is not given.
    pub wandb: Option<String>,
    /// Texts are kept every so many steps; 0 for never.
    pub samples_every: u64,
    /// So many of them.
    pub samples: usize,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self { tensorboard: true, wandb: None, samples_every: 20, samples: 4 }
    }
}

impl JournalSettings {
    /// Metrics and the line for who watches, and nothing else.
    pub fn plain() -> Self {
        Self { tensorboard: false, samples_every: 0, ..Self::default() }
    }
}

/// Which part of a run is told of.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Its name, such as `sft` or `rl`: letters, digits and dashes.
    pub stage: &'a str,
    /// The stages that are over, whose lines stay.
    pub earlier: &'a [&'a str],
    /// The step that comes next: lines of it and of later ones are dropped.
    pub step: u64,
    /// How many steps the stage has.
    pub steps: u64,
}

/// A text that the model wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleText<'a> {
    /// What it continued.
    pub prompt: &'a str,
    /// What it wrote.
    pub completion: &'a str,
    /// What that was worth; none if it was not scored.
    pub reward: Option<f64>,
}

/// The journal of one stage of a run.
#[derive(Debug)]
pub struct Journal {
    stage: String,
    settings: JournalSettings,
    metrics: LinesFile,
    samples: Option<LinesFile>,
    events: Option<EventFile>,
    offline: Option<OfflineRun>,
    live: Live,
}

impl Journal {
    /// Opens the journal in `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn open(folder: &Path, settings: &JournalSettings, part: Part) -> io::Result<Self> {
        let lines = |name: &str| LinesFile::resume(&folder.join(name), part);
        let path = folder.join("tensorboard").join(part.stage).join("events.out.tfevents.potluck");
        let events = settings.tensorboard.then(|| EventFile::resume(&path, part.step));
        let offline = settings.wandb.as_ref().map(|project| {
            OfflineRun::resume(&folder.join("wandb"), part.stage, project, part.step)
        });
        let samples = (settings.samples_every > 0).then(|| lines("samples.jsonl"));
        Ok(Self {
            stage: part.stage.to_owned(),
            settings: settings.clone(),
            metrics: lines("metrics.jsonl")?,
            samples: samples.transpose()?,
            events: events.transpose()?,
            offline: offline.transpose()?,
            live: Live::begin(part.stage, part.steps, part.step),
        })
    }

    /// Tells of a step: its figures under their names, and what the live line shows of them.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn step(
        &mut self,
        step: u64,
        figures: &[(&str, f64)],
        live: &LiveFigures,
    ) -> io::Result<()> {
        let named = figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        self.metrics.add(&self.stage, step, named.collect())?;
        if let Some(events) = &mut self.events {
            events.add_scalars(step, figures)?;
        }
        if let Some(offline) = &mut self.offline {
            offline.add_step(step, figures)?;
        }
        self.live.at(step + 1, live);
        Ok(())
    }

    /// How many texts of this step are to be given to [`Self::sample`]; mostly none.
    pub fn wanted_samples(&self, step: u64) -> usize {
        let every = self.settings.samples_every;
        if every > 0 && step.is_multiple_of(every) { self.settings.samples } else { 0 }
    }

    /// Keeps texts of a step.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn sample(&mut self, step: u64, texts: &[SampleText]) -> io::Result<()> {
        let Some(samples) = &mut self.samples else { return Ok(()) };
        for text in texts {
            let SampleText { prompt, completion, reward } = text;
            let fields = json!({"prompt": prompt, "completion": completion, "reward": reward});
            let Value::Object(fields) = fields else { return Ok(()) };
            samples.add(&self.stage, step, fields)?;
        }
        match &mut self.events {
            Some(events) if !texts.is_empty() => {
                let texts: Vec<String> = texts.iter().map(markdown).collect();
                events.add_text(step, "samples", &texts.join("\n\n---\n\n"))
            }
            _ => Ok(()),
        }
    }

    /// Says a sentence between two steps: what a guard warns of.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn say(&mut self, step: u64, sentence: &str) -> io::Result<()> {
        let fields = Map::from_iter([("warning".to_owned(), json!(sentence))]);
        self.metrics.add(&self.stage, step, fields)?;
        self.live.say(sentence);
        Ok(())
    }

    /// The stage is over, with this to say.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn end(self, note: &str) -> io::Result<()> {
        self.live.end(note);
        self.offline.map_or(Ok(()), OfflineRun::end)
    }
}

/// A text in a form that TensorBoard shows as it is: indented by four, it is code.
fn markdown(text: &SampleText) -> String {
    let code = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let reward = text.reward.map_or("not scored".to_owned(), |reward| format!("{reward:.4}"));
    format!(
        "**reward** {reward}\n\n**prompt**\n\n{}\n**completion**\n\n{}",
        code(text.prompt),
        code(text.completion)
    )
}

#[cfg(test)]
mod tests;
