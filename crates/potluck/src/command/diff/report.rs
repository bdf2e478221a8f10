//! What a comparison found, as lines for people and as one object for scripts.

use std::time::Duration;

use potluck_soup::difference::{Compared, Moved, Outcome, Side};
use serde_json::{Value, json};

use super::Sort;
use crate::command::table::{number, or_dash, table};
use crate::output::bytes;

/// From how long on the time that it took is worth a line.
const LONG: Duration = Duration::from_millis(500);

/// What was found.
#[derive(Debug)]
pub(super) struct Report {
    /// Of each tensor, in byte order of names.
    pub(super) compared: Vec<Compared>,
    /// Whether changes are from a base.
    pub(super) has_base: bool,
    /// Whether tensors are factors of changes.
    pub(super) are_adapters: bool,
    /// In what order tensors are listed.
    pub(super) sort: Sort,
    /// How many of them.
    pub(super) top: Option<usize>,
    /// How many bytes were read.
    pub(super) read: u64,
    /// In what time.
    pub(super) time: Duration,
}

impl Report {
    /// Lines for people.
    pub(super) fn words(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.are_adapters {
            lines.push(
                "These are adapters: their factors are compared, not the changes they make.".into(),
            );
        }
        let moved = self.moved();
        if !moved.is_empty() {
            let listed = moved.iter().take(self.top.unwrap_or(usize::MAX));
            let rows = listed.map(|(name, it)| self.row(name, it));
            let rows: Vec<_> = rows.chain([self.row("all of them", &self.total())]).collect();
            let head = match self.has_base {
                true => ["tensor", "|A-base|/|base|", "|B-base|/|base|", "cosine", "max change"],
                false => ["tensor", "|A-B|/|A|", "|A-B|", "cosine", "max change"],
            };
            lines.extend(table(&head, &rows));
        }
        if let Some(hidden) =
            self.top.and_then(|top| moved.len().checked_sub(top)).filter(|it| *it > 0)
        {
            lines.push(format!("{hidden} more are not listed"));
        }
        lines.extend(self.remarks());
        if self.time >= LONG {
            let seconds = self.time.as_secs_f64();
            let speed = self.read as f64 / seconds / 1e9;
            lines.push(format!("{} read in {seconds:.2} s, {speed:.1} GB/s", bytes(self.read)));
        }
        lines
    }

    fn row(&self, name: &str, it: &Moved) -> Vec<String> {
        let (first, second) = self.changes(it);
        let second = if self.has_base { or_dash(second) } else { number(it.apart()) };
        let cosine = it.cosine().map_or("-".into(), |cosine| format!("{cosine:.4}"));
        vec![name.to_owned(), or_dash(first), second, cosine, number(it.largest())]
    }

    /// How far A and B moved relative to the base; or how far they are apart relative to A.
    fn changes(&self, it: &Moved) -> (Option<f64>, Option<f64>) {
        let relative = |norm: f64, to: f64| (to > 0.0).then(|| norm / to);
        match it.base() {
            Some(base) => (relative(it.a(), base), relative(it.b(), base)),
            None => (relative(it.apart(), it.a()), None),
        }
    }

    /// The tensors that were measured, in the order that was asked for; those that are equal in it, by name.
    fn moved(&self) -> Vec<(&str, Moved)> {
        let moved = self.compared.iter().filter_map(|it| match it.outcome {
            Outcome::Moved(moved) => Some((it.name.as_str(), moved)),
            _ => None,
        });
        let mut moved: Vec<_> = moved.collect();
        let key = |(_, it): &(&str, Moved)| match self.sort {
            Sort::Name => 0.0,
            // From zero it is farther than from anything.
            Sort::Change => {
                let (first, second) = self.changes(it);
                let from_nothing = if it.largest() > 0.0 { f64::INFINITY } else { 0.0 };
                -first.unwrap_or(from_nothing).max(second.unwrap_or(0.0))
            }
            Sort::Cosine => it.cosine().unwrap_or(2.0),
            Sort::Max => -it.largest(),
        };
        moved.sort_by(|a, b| key(a).total_cmp(&key(b)));
        moved
    }

    /// All measured tensors as one.
    fn total(&self) -> Moved {
        let mut tensors = self.compared.iter().filter_map(|it| match it.outcome {
            Outcome::Moved(moved) => Some(moved),
            _ => None,
        });
        let first = tensors.next().expect("asked for where a tensor was measured");
        tensors.fold(first, |mut total, it| {
            total.add(&it);
            total
        })
    }

    /// What is not in the table.
    fn remarks(&self) -> Vec<String> {
        let remark = |it: &Compared| {
            let what = match &it.outcome {
                Outcome::Lacking(sides) => {
                    let sides: Vec<_> = sides.iter().map(|side| word(*side)).collect();
                    format!("not in {}, not compared", sides.join(" nor in "))
                }
                Outcome::Shapes => "of different shapes, not compared".to_owned(),
                Outcome::Dtypes => "of formats that cannot be compared".to_owned(),
                Outcome::Constants { different: 0 } => return None,
                Outcome::Constants { different } => {
                    format!("{different} of {} {} elements differ", it.elements, it.dtype.name())
                }
                Outcome::Moved(moved) if moved.not_finite > 0 => {
                    format!("{} elements are NOT FINITE and left out", moved.not_finite)
                }
                Outcome::Moved(_) => return None,
            };
            Some(format!("{}: {what}", it.name))
        };
        self.compared.iter().filter_map(remark).collect()
    }

    /// One object for scripts.
    pub(super) fn as_json(&self) -> Value {
        let moved = self.moved();
        let total = (!moved.is_empty()).then(|| self.entry(&self.total()));
        let listed = moved.iter().take(self.top.unwrap_or(usize::MAX)).map(|(name, it)| {
            let mut entry = self.entry(it);
            entry["name"] = (*name).into();
            entry
        });
        json!({
            "has_base": self.has_base, "are_adapters": self.are_adapters,
            "tensors": listed.collect::<Vec<_>>(), "total": total,
            "others": self.compared.iter().filter_map(other).collect::<Vec<_>>(),
            "bytes_read": self.read, "seconds": self.time.as_secs_f64(),
        })
    }

    fn entry(&self, it: &Moved) -> Value {
        let (first, second) = self.changes(it);
        let mut entry = json!({
            "cosine": it.cosine(), "max_change": it.largest(), "not_finite": it.not_finite,
            "apart": it.apart(),
        });
        let more = match it.base() {
            Some(base) => json!({
                "a_change": it.a(), "b_change": it.b(), "base": base,
                "a_relative": first, "b_relative": second,
            }),
            None => json!({"a": it.a(), "b": it.b(), "relative": first}),
        };
        if let (Value::Object(entry), Value::Object(more)) = (&mut entry, more) {
            entry.extend(more);
        }
        entry
    }
}

fn word(side: Side) -> &'static str {
    match side {
        Side::A => "A",
        Side::B => "B",
        Side::Base => "the base",
    }
}

/// A tensor that is not among those that were measured.
fn other(it: &Compared) -> Option<Value> {
    let mut entry = json!({"name": it.name, "dtype": it.dtype.name()});
    match &it.outcome {
        Outcome::Moved(_) => return None,
        Outcome::Lacking(sides) => {
            let sides = sides.iter().map(|side| match side {
                Side::A => "a",
                Side::B => "b",
                Side::Base => "base",
            });
            entry["lacking_in"] = sides.collect();
        }
        Outcome::Shapes => entry["differs_in"] = "shape".into(),
        Outcome::Dtypes => entry["differs_in"] = "dtype".into(),
        Outcome::Constants { different } => entry["different_elements"] = (*different).into(),
    }
    Some(entry)
}

#[cfg(test)]
mod tests;
