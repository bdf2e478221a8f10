//! What an inspection found, as lines for people and as one object for scripts.

use std::collections::BTreeMap;
use std::time::Duration;

use potluck_core::Blake3;
use potluck_soup::statistics::{Floats, Statistics, Survey};
use potluck_soup::{Checkpoint, TensorLayout};
use serde_json::{Value, json};

use super::Sort;
use super::words::{bars, excerpt, kind};
use crate::command::table::{number, or_dash, shape, table};
use crate::output::bytes;

/// From how long on the time that it took is worth a line.
const LONG: Duration = Duration::from_millis(500);

/// What was found.
#[derive(Debug)]
pub(super) struct Report<'a> {
    /// The checkpoint.
    pub(super) checkpoint: &'a Checkpoint,
    /// What was read of it.
    pub(super) survey: Survey,
    /// Whether its tensors are listed.
    pub(super) has_list: bool,
    /// In what order.
    pub(super) sort: Sort,
    /// How long reading took.
    pub(super) time: Duration,
}

/// A tensor with its statistics, where they were asked for.
type Row<'a> = (&'a TensorLayout, Option<&'a Statistics>);

impl Report<'_> {
    /// Lines for people.
    pub(super) fn words(&self) -> Vec<String> {
        let checkpoint = self.checkpoint;
        let mut lines = vec![excerpt(&checkpoint.path().display().to_string())];
        lines.push(format!("kind      {}", kind(checkpoint)));
        let formats: Vec<_> =
            self.dtypes().iter().map(|(dtype, it)| format!("{} {dtype}", it.0)).collect();
        lines.push(format!("tensors   {} ({})", checkpoint.tensors().len(), formats.join(", ")));
        lines.push(format!("elements  {}", elements(checkpoint)));
        lines.push(format!("size      {}", bytes(self.length())));
        if let Some(recipe) = self.recipe() {
            lines.push(format!("recipe    {recipe}"));
        }
        lines.extend(self.files());
        if self.has_list {
            lines.push(String::new());
            lines.extend(self.list());
        }
        lines.extend(self.alarms());
        let was_read = !(self.survey.statistics.is_empty() && self.survey.blake3.is_empty());
        if was_read && self.time >= LONG {
            let seconds = self.time.as_secs_f64();
            let speed = self.length() as f64 / seconds / 1e9;
            lines.push(format!("{} read in {seconds:.2} s, {speed:.1} GB/s", bytes(self.length())));
        }
        lines
    }

    /// The files, where there is more to say of them than their number; and what their writers say of them.
    fn files(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut said = Vec::new();
        let sources = self.checkpoint.sources();
        for (at, source) in sources.iter().enumerate() {
            let name = self.name(at);
            match (self.survey.blake3.get(at), sources.len()) {
                (Some(blake3), _) => lines.push(format!("file      {name}  BLAKE3 {blake3}")),
                (None, 2..) => lines.push(format!("file      {name}  {}", bytes(source.length()))),
                _ => {}
            }
            for (key, value) in source.layout().metadata().iter().filter(|it| it.0 != "recipe") {
                let line = format!("metadata  {}: {}", excerpt(key), excerpt(value));
                if !said.contains(&line) {
                    said.push(line);
                }
            }
        }
        lines.extend(said);
        lines
    }

    fn list(&self) -> Vec<String> {
        let rows: Vec<_> = self.rows().into_iter().map(row).collect();
        if self.survey.statistics.is_empty() {
            return table(&["tensor", "dtype", "shape", "size"], &rows);
        }
        let head = ["tensor", "dtype", "shape", "norm", "max |x|", "mean", "zero", "magnitudes"];
        table(&head, &rows)
    }

    /// The tensors in the order that was asked for; those that are equal in it, by name.
    fn rows(&self) -> Vec<Row<'_>> {
        let statistics = self.survey.statistics.iter().map(Some).chain(std::iter::repeat(None));
        let mut rows: Vec<Row<'_>> = self.checkpoint.tensors().zip(statistics).collect();
        let key = |row: &Row<'_>| match self.sort {
            Sort::Name => 0.0,
            Sort::Norm => floats(row).map_or(-1.0, Floats::norm),
            Sort::Max => floats(row).and_then(Floats::largest).unwrap_or(-1.0),
            // Far below 2^53.
            Sort::Bytes => row.0.bytes() as f64,
        };
        rows.sort_by(|a, b| key(b).total_cmp(&key(a)));
        rows
    }

    /// Tensors that hold what no soup may hold.
    fn alarms(&self) -> Vec<String> {
        let tensors = self.checkpoint.tensors().zip(&self.survey.statistics);
        let bad = tensors.filter_map(|(tensor, it)| {
            let floats = it.floats().filter(|it| it.finite() < it.elements)?;
            Some(format!(
                "NOT FINITE: {} holds {} NaN and {} infinite of {} elements",
                tensor.name, floats.nans, floats.infinities, floats.elements
            ))
        });
        let mut lines: Vec<_> = bad.collect();
        if !lines.is_empty() {
            lines.push(
                "No federation admits this checkpoint, and no soup can be made of it.".into(),
            );
        }
        lines
    }

    /// One object for scripts.
    pub(super) fn as_json(&self) -> Value {
        let checkpoint = self.checkpoint;
        let files = checkpoint.sources().iter().enumerate().map(|(at, source)| {
            let metadata: BTreeMap<_, _> = source.layout().metadata().iter().cloned().collect();
            json!({
                "name": self.name(at), "size": source.length(), "metadata": metadata,
                "blake3": self.survey.blake3.get(at),
            })
        });
        let dtypes = self.dtypes().into_iter().map(|(dtype, (tensors, elements, size))| {
            (dtype, json!({"tensors": tensors, "elements": elements, "bytes": size}))
        });
        let mut object = json!({
            "path": checkpoint.path(), "kind": kind(checkpoint), "recipe": self.recipe(),
            "files": files.collect::<Vec<_>>(), "size": self.length(),
            "tensor_count": checkpoint.tensors().len(), "elements": elements(checkpoint),
            "dtypes": dtypes.collect::<BTreeMap<_, _>>(),
        });
        if self.has_list {
            object["tensors"] = self.rows().into_iter().map(|row| self.entry(row)).collect();
        }
        if !self.survey.statistics.is_empty() {
            object["is_finite"] = self.alarms().is_empty().into();
            object["seconds"] = self.time.as_secs_f64().into();
        }
        object
    }

    fn entry(&self, (tensor, statistics): Row<'_>) -> Value {
        let mut entry = json!({
            "name": tensor.name, "dtype": tensor.dtype.name(), "shape": tensor.shape,
            "bytes": tensor.bytes(), "file": self.checkpoint.file_of(&tensor.name),
        });
        if let Some(statistics) = statistics {
            entry["statistics"] = as_json(statistics);
        }
        entry
    }

    /// For each format: tensors, elements, bytes.
    fn dtypes(&self) -> BTreeMap<&'static str, (u64, u64, u64)> {
        let mut dtypes = BTreeMap::new();
        for tensor in self.checkpoint.tensors() {
            let it = dtypes.entry(tensor.dtype.name()).or_insert((0, 0, 0));
            *it = (it.0 + 1, it.1 + tensor.elements(), it.2 + tensor.bytes());
        }
        dtypes
    }

    /// The recipe that the header names, where all files name the same.
    fn recipe(&self) -> Option<Blake3> {
        let named = |metadata: &[(String, String)]| {
            let found = metadata.iter().find(|(key, _)| key == "recipe")?;
            found.1.parse::<Blake3>().ok()
        };
        let mut recipes = self.checkpoint.sources().iter().map(|it| named(it.layout().metadata()));
        let first = recipes.next()??;
        recipes.all(|it| it == Some(first)).then_some(first)
    }

    /// Bytes of all files.
    fn length(&self) -> u64 {
        self.checkpoint.sources().iter().map(|source| source.length()).sum()
    }

    fn name(&self, file: usize) -> String {
        let path = self.checkpoint.sources()[file].path();
        path.file_name().map_or(String::new(), |name| excerpt(&name.to_string_lossy()))
    }
}

fn floats<'a>(row: &Row<'a>) -> Option<&'a Floats> {
    row.1.and_then(Statistics::floats)
}

fn elements(checkpoint: &Checkpoint) -> u64 {
    checkpoint.tensors().map(TensorLayout::elements).sum()
}

fn row((tensor, statistics): Row<'_>) -> Vec<String> {
    let mut cells = vec![tensor.name.clone(), tensor.dtype.name().into(), shape(&tensor.shape)];
    match statistics {
        None => cells.push(bytes(tensor.bytes())),
        Some(Statistics::Floats(it)) => {
            let zero = 100.0 * it.zeros as f64 / it.elements.max(1) as f64;
            cells.push(number(it.norm()));
            cells.extend([or_dash(it.largest()), or_dash(it.mean()), format!("{zero:.1} %")]);
            cells.push(bars(&it.magnitudes));
        }
        Some(Statistics::Integers(it)) => {
            cells.extend(["-"; 4].map(str::to_owned));
            let range = it.minimum.zip(it.maximum);
            cells.push(range.map_or("-".into(), |(low, high)| format!("{low} to {high}")));
        }
    }
    cells
}

fn as_json(statistics: &Statistics) -> Value {
    match statistics {
        Statistics::Floats(it) => {
            let (lowest, counts) = it.magnitudes.counted();
            json!({
                "elements": it.elements, "nans": it.nans, "infinities": it.infinities,
                "zeros": it.zeros, "subnormals": it.subnormals, "norm": it.norm(),
                "mean": it.mean(), "minimum": it.minimum, "maximum": it.maximum,
                "largest": it.largest(),
                "magnitudes": {"lowest_exponent": lowest, "counts": counts},
            })
        }
        // Integers of 64 bits may be beyond what JSON readers keep exactly.
        Statistics::Integers(it) => json!({
            "elements": it.elements, "minimum": it.minimum.map(|it| it.to_string()),
            "maximum": it.maximum.map(|it| it.to_string()),
        }),
    }
}

#[cfg(test)]
mod tests;
