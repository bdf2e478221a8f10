//! The folder of an offline run of Weights & Biases, for `wandb sync` and `wandb leet`.
//!
//! ```text
//! wandb/STAGE/offline-run-DATE_TIME-ID/run-ID.wandb
//! records of wandb_internal.proto: header, run, [history, summary] a step, exit; see wandb/frames.rs
//! ```
//! The format is internal to their programs and has no specification. What is written here is what
//! version 0.31 writes, without what it tells of the machine: no host, no user, no program, no
//! packages. Nothing is sent anywhere; who wants the run in their cloud syncs it by hand.

mod frames;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::protobuf::{field, number, read_field, read_number};
use frames::Frames;

/// What a reader must be able to read, in their numbers.
const MIN_CONSUMER: &[u8] = b"0.70.0";

/// An offline run, open at its end.
#[derive(Debug)]
pub struct OfflineRun {
    file: fs::File,
    frames: Frames,
    records: u64,
    begun: f64,
}

impl OfflineRun {
    /// Opens the run of `stage` below `folder`, or begins one of `project`; drops `step`, later ones,
    /// and what is torn.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn resume(folder: &Path, stage: &str, project: &str, step: u64) -> io::Result<Self> {
        let folder = folder.join(stage);
        let (path, bytes) = match last_run(&folder)? {
            Some(path) if step > 0 => (path.clone(), fs::read(&path)?),
            _ => (begin(&folder, stage)?, Vec::new()),
        };
        let (kept, records) = kept(&bytes, step);
        let mut run = Self {
            frames: Frames::at(kept.max(frames::FILE_HEADER.len())),
            records,
            begun: now(),
            file: {
                let begun = if kept == 0 { &frames::FILE_HEADER[..] } else { &bytes[..kept] };
                crate::files::write_whole(&path, begun)?;
                OpenOptions::new().append(true).open(&path)?
            },
        };
        if records == 0 {
            run.add(21, &field(1, &[field(1, b"potluck"), field(2, MIN_CONSUMER)].concat()))?;
            let id =
                path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
            let id = id.trim_start_matches("run-");
            let started = [number(1, run.begun as u64)].concat();
            let run_record = [
                field(1, id.as_bytes()),
                field(3, project.as_bytes()),
                field(8, stage.as_bytes()),
                field(17, &started),
            ];
            run.add(17, &run_record.concat())?;
        }
        Ok(run)
    }

    /// Adds figures of a step.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn add_step(&mut self, step: u64, figures: &[(&str, f64)]) -> io::Result<()> {
        let time = now();
        let own = [
            ("_timestamp", json!(time)),
            ("_runtime", json!(time - self.begun)),
            ("_step", json!(step)),
        ];
        let named = figures.iter().map(|(name, value)| (*name, figure(*value)));
        let items: Vec<(&str, Value)> = named.chain(own).collect();
        self.add(2, &history(step, &items))?;
        self.add(3, &items_of(&items))
    }

    /// The run is over.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn end(mut self) -> io::Result<()> {
        self.add(18, &[])
    }

    /// Adds a record whose kind is the field `kind`.
    fn add(&mut self, kind: u32, message: &[u8]) -> io::Result<()> {
        self.records += 1;
        let record = record(self.records, kind, message);
        self.file.write_all(&self.frames.frame(&record))
    }
}

/// A record of `wandb_internal.proto`.
fn record(number_of: u64, kind: u32, message: &[u8]) -> Vec<u8> {
    [number(1, number_of), field(kind, message)].concat()
}

/// A `HistoryRecord`.
fn history(step: u64, items: &[(&str, Value)]) -> Vec<u8> {
    [items_of(items), field(2, &number(1, step))].concat()
}

/// Items with their values as JSON: the form of history and summary alike.
fn items_of(items: &[(&str, Value)]) -> Vec<u8> {
    let item = |(name, value): &(&str, Value)| {
        [field(2, name.as_bytes()), field(16, value.to_string().as_bytes())].concat()
    };
    items.iter().flat_map(|it| field(1, &item(it))).collect()
}

/// A figure in their JSON, which has words for what is not finite.
fn figure(value: f64) -> Value {
    match value {
        _ if value.is_finite() => json!(value),
        _ if value.is_nan() => json!("NaN"),
        _ if value > 0.0 => json!("Infinity"),
        _ => json!("-Infinity"),
    }
}

/// How many bytes stay, and how many records: those before the first of `step` or later, or an exit.
fn kept(bytes: &[u8], step: u64) -> (usize, u64) {
    let (mut end, mut records) = (0, 0);
    for (record, after) in frames::read(bytes) {
        let Some((_, message)) = read_number(&record, 1) else { break };
        let history = read_field(message, 2).map(|(history, _)| step_of(history));
        if read_field(message, 18).is_some() || history.is_some_and(|of| of >= step) {
            break;
        }
        (end, records) = (after, records + 1);
    }
    (end, records)
}

/// The step behind the items of a history; an absent number is 0.
fn step_of(mut history: &[u8]) -> u64 {
    while let Some((_, rest)) = read_field(history, 1) {
        history = rest;
    }
    let step = read_field(history, 2).and_then(|(step, _)| read_number(step, 1));
    step.map_or(0, |(step, _)| step)
}

/// The file of the run that was begun last; their names are in order of time.
fn last_run(folder: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut runs: Vec<PathBuf> =
        entries.map(|it| it.map(|it| it.path())).collect::<Result<_, _>>()?;
    runs.retain(|path| {
        path.file_name().is_some_and(|it| it.to_string_lossy().starts_with("offline-run-"))
    });
    runs.sort();
    let file = |run: PathBuf| {
        let name = run.file_name()?.to_str()?.rsplit('-').next()?.to_owned();
        Some(run.join(format!("run-{name}.wandb"))).filter(|path| path.exists())
    };
    Ok(runs.pop().and_then(file))
}

/// Where a new run's file is to lie.
fn begin(folder: &Path, stage: &str) -> io::Result<PathBuf> {
    let time = OffsetDateTime::from(SystemTime::now());
    // Their ids are eight letters and digits; this one tells two runs of one second apart.
    let seed = format!("{}\0{stage}\0{}", folder.display(), time.unix_timestamp_nanos());
    let id = &blake3::hash(seed.as_bytes()).to_hex()[..8];
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let month = u8::from(month);
    let name =
        format!("offline-run-{year:04}{month:02}{day:02}_{hour:02}{minute:02}{second:02}-{id}");
    let run = folder.join(name);
    fs::create_dir_all(run.join("files"))?;
    Ok(run.join(format!("run-{id}.wandb")))
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests;
