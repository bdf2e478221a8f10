//! Rows, ratios, and what is made of them: Markdown for people and one object for scripts.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use super::machine::Machine;

/// What one contender took for one piece of work: medians, and the lowest and highest wall time.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// The piece of work.
    pub(crate) work: String,
    /// Who did it, and how.
    pub(crate) contender: String,
    /// Wall time.
    pub(crate) seconds: f64,
    /// The best run.
    pub(crate) lowest: f64,
    /// The worst run.
    pub(crate) highest: f64,
    /// Of all threads, in user and system mode.
    pub(crate) cpu_seconds: f64,
    /// The highest of all runs.
    pub(crate) peak_rss_bytes: u64,
    /// How many runs.
    pub(crate) n: usize,
}

impl Row {
    /// Takes the medians.
    pub(crate) fn new(work: &str, contender: &str, seconds: &[f64], cpu: &[f64], rss: u64) -> Self {
        Self {
            work: work.to_owned(),
            contender: contender.to_owned(),
            seconds: median(seconds),
            lowest: seconds.iter().copied().fold(f64::INFINITY, f64::min),
            highest: seconds.iter().copied().fold(0.0, f64::max),
            cpu_seconds: median(cpu),
            peak_rss_bytes: rss,
            n: seconds.len(),
        }
    }
}

/// The middle value, or the mean of the two in the middle; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// What a ratio should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// For orientation.
    None,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "≥ {bound}"),
            Self::AtMost(bound) => write!(f, "≤ {bound}"),
            Self::None => Ok(()),
        }
    }
}

/// A figure that is watched, for each piece of work.
pub(crate) struct Ratio {
    /// Its name in JSON.
    pub(crate) name: &'static str,
    /// What it says, for the page.
    pub(crate) meaning: &'static str,
    /// Where it should be.
    pub(crate) target: Target,
    /// Work and value.
    pub(crate) values: Vec<(String, f64)>,
}

impl Ratio {
    /// The value that is furthest on the wrong side; nothing where none was measured.
    pub(crate) fn worst(&self) -> Option<f64> {
        let values = self.values.iter().map(|(_, value)| *value);
        match self.target {
            Target::AtLeast(_) => values.reduce(f64::min),
            Target::AtMost(_) | Target::None => values.reduce(f64::max),
        }
    }

    /// Whether the worst value is where it should be.
    pub(crate) fn holds(&self) -> Option<bool> {
        match (self.target, self.worst()?) {
            (Target::AtLeast(bound), worst) => Some(worst >= bound),
            (Target::AtMost(bound), worst) => Some(worst <= bound),
            (Target::None, _) => None,
        }
    }
}

/// The object for scripts.
pub(crate) fn object(bench: &str, machine: &Machine, rows: &[Row], ratios: &[Ratio]) -> Value {
    let worst = ratios.iter().filter_map(|it| Some((it.name.to_owned(), it.worst()?.into())));
    let ratios: serde_json::Map<String, Value> = worst.collect();
    json!({"bench": bench, "machine": machine, "rows": rows, "ratios": ratios})
}

/// A table of rows.
pub(crate) fn rows_table(rows: &[&Row]) -> String {
    let mut table = String::from(
        "| contender | median s | lowest to highest | CPU s | peak MiB | runs |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let Row { contender, seconds, lowest, highest, cpu_seconds, n, .. } = row;
        let mebibytes = row.peak_rss_bytes as f64 / f64::from(1 << 20);
        table += &format!(
            "| {contender} | {seconds:.3} | {lowest:.3} to {highest:.3} | {cpu_seconds:.2} | {mebibytes:.0} | {n} |\n"
        );
    }
    table
}

/// A table of ratios, with the value for each of `works`, where it has one, the worst of all, and the target.
pub(crate) fn ratios_table(ratios: &[&Ratio], works: &[String]) -> String {
    let mut table = format!("| | {} | worst | target | holds | |\n|---|", works.join(" | "));
    table += &"--:|".repeat(works.len());
    table += "--:|---|---|---|\n";
    for ratio in ratios.iter().filter(|ratio| !ratio.values.is_empty()) {
        let value = |work: &String| {
            let found = ratio.values.iter().find(|(it, _)| it == work);
            found.map_or(String::new(), |(_, value)| format!("{value:.2}"))
        };
        let values: Vec<_> = works.iter().map(value).collect();
        let target = ratio.target;
        let worst = ratio.worst().map_or(String::new(), |worst| format!("{worst:.2}"));
        let holds = ratio.holds().map_or("", |holds| if holds { "yes" } else { "**no**" });
        let (name, values, meaning) = (ratio.name, values.join(" | "), ratio.meaning);
        table += &format!("| `{name}` | {values} | {worst} | {target} | {holds} | {meaning} |\n");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(target: Target, values: &[f64]) -> Ratio {
        let values = values.iter().map(|value| ("K=2".to_owned(), *value)).collect();
        Ratio { name: "r", meaning: "m", target, values }
    }

    #[test]
    fn the_median_stands_in_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_row_takes_the_medians_and_keeps_the_spread() {
        let row = Row::new("K=2", "a", &[3.0, 1.0, 2.0], &[5.0, 6.0, 7.0], 9);
        assert_eq!((row.seconds, row.lowest, row.highest), (2.0, 1.0, 3.0));
        assert_eq!((row.cpu_seconds, row.peak_rss_bytes, row.n), (6.0, 9, 3));
    }

    #[test]
    fn the_worst_is_on_the_wrong_side() {
        let least = ratio(Target::AtLeast(20.0), &[30.0, 19.0]);
        assert_eq!((least.worst(), least.holds()), (Some(19.0), Some(false)));
        let most = ratio(Target::AtMost(2.0), &[1.5, 2.0]);
        assert_eq!((most.worst(), most.holds()), (Some(2.0), Some(true)));
        assert_eq!(ratio(Target::AtMost(2.0), &[]).holds(), None);
    }

    #[test]
    fn tables_have_a_line_a_row() {
        let row = Row::new("K=2", "a", &[0.5], &[1.0], 3 << 20);
        assert!(rows_table(&[&row]).ends_with("| a | 0.500 | 0.500 to 0.500 | 1.00 | 3 | 1 |\n"));
        let table = ratios_table(
            &[&ratio(Target::AtLeast(8.0), &[9.0]), &ratio(Target::None, &[])],
            &["K=2".to_owned(), "K=4".to_owned()],
        );
        assert!(table.ends_with("| `r` | 9.00 |  | 9.00 | ≥ 8 | yes | m |\n"), "{table}");
    }
}
