//! `docs/results/soup.md`: what was measured, where, and how to measure it again.

use super::Agreement;
use super::ratios::{ADAPTER_WORK, INSPECT_WORK};
use super::work;
use crate::bench::machine::Machine;
use crate::bench::report::{Ratio, Row, ratios_table, rows_table};

/// What stands on the page.
pub(super) struct Results<'a> {
    pub(super) machine: &'a Machine,
    /// Of the rivals.
    pub(super) versions: String,
    pub(super) rows: &'a [Row],
    pub(super) ratios: &'a [Ratio],
    pub(super) agreements: &'a [Agreement],
    /// How many checkpoints were mixed.
    pub(super) sizes: &'a [usize],
    pub(super) quick: bool,
}

/// The page.
pub(super) fn write(results: &Results<'_>) -> String {
    let works: Vec<String> = results.sizes.iter().map(|size| work(*size)).collect();
    let (over_works, single): (Vec<_>, Vec<_>) = results
        .ratios
        .iter()
        .partition(|it| it.values.iter().any(|(work, _)| works.contains(work)));
    let mut page = introduction(results);
    page += &ratios_table(&over_works, &works);
    page.push('\n');
    page.extend(single.iter().filter_map(|it| line(it)));
    page += CONDITIONS;
    let others = [work(16), ADAPTER_WORK.to_owned(), INSPECT_WORK.to_owned()];
    for work in works.iter().chain(&others) {
        let rows: Vec<&Row> = results.rows.iter().filter(|row| row.work == *work).collect();
        if !rows.is_empty() {
            page += &format!("\n### {}\n\n{}", title(work), rows_table(&rows));
        }
    }
    page + &agreement(results.agreements)
}

fn introduction(results: &Results<'_>) -> String {
    let Machine { cpu, cores, memory_gib, kernel, load } = results.machine;
    let quick = if results.quick { " --quick" } else { "" };
    format!(
        "# Mixing checkpoints: how fast\n\n\
         Written by `cargo xtask bench soup{quick}`, which makes the test data, installs the rivals and runs everybody in\n\
         turn. The work: K Llama-shaped BF16 checkpoints of 494.7 M weights in 129 tensors, 0.989 GB each, mixed\n\
         into one. Inputs are read to the end before each run, so that they are in the page cache; nobody syncs the\n\
         output. A time is that of the whole process unless its name says otherwise.\n\n\
         Machine: {cpu}; {cores} cores, {memory_gib} GiB, Linux {kernel}; load before the first run {load:.1}.\n\
         Rivals: {}.\n\n\
         ## Ratios\n\n\
         Of medians. A ratio *vs* a rival is above 1 where we are ahead.\n\n",
        results.versions,
    )
}

/// What the names of rows mean.
const CONDITIONS: &str = "
## Runs

*Fresh file*: the output is removed before the run. *Overwrite*: a complete output stands there; ours writes
a new file beside it and renames it, so that a kill leaves no half of a soup, the others write over it in place.
*No output*: read, mix (and hash), and forget. *Floor*: the copy loop, which reads every input and writes the
bytes of the first, in blocks of 64 KiB on all cores. *binary32*: the same with a sum in binary32 between.
";

/// A ratio that is of one piece of work.
fn line(ratio: &Ratio) -> Option<String> {
    let (name, meaning, worst) = (ratio.name, ratio.meaning, ratio.worst()?);
    let verdict = match ratio.holds() {
        Some(true) => format!("; target {}: holds", ratio.target),
        Some(false) => format!("; target {}: **does not hold**", ratio.target),
        None => String::new(),
    };
    Some(format!("- `{name}`: {worst:.2}, {meaning}{verdict}\n"))
}

fn title(work: &str) -> String {
    match work {
        ADAPTER_WORK => "Two rank-16 adapters of a 7 B shape".to_owned(),
        INSPECT_WORK => "Statistics of one checkpoint".to_owned(),
        "K=16" => "K=16, for its memory (the eight checkpoints twice)".to_owned(),
        other => other.to_owned(),
    }
}

/// How far our bytes and mergekit's are the same.
fn agreement(agreements: &[Agreement]) -> String {
    let mut text = String::from(
        "\n## The same bytes\n\n\
         The weights are of 64ths, so that mergekit's products and its λ are exact; it sums in binary32 and rounds twice,\n\
         ours rounds once.\n\n| | elements | differ from mergekit's |\n|---|--:|--:|\n",
    );
    for Agreement { work, elements, differing } in agreements {
        text += &format!("| {work} | {elements} | {differing} |\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::Target;

    #[test]
    fn the_page_shows_rows_ratios_and_agreement() {
        let machine = Machine {
            cpu: "Fast".to_owned(),
            cores: 2,
            memory_gib: 24,
            kernel: "6".to_owned(),
            load: 0.25,
        };
        let row = Row::new("K=2", "floor, fresh file", &[0.5], &[1.0], 1 << 20);
        let values = vec![("K=2".to_owned(), 21.0)];
        let ratio =
            Ratio { name: "vs_mergekit", meaning: "m", target: Target::AtLeast(20.0), values };
        let agreements = [Agreement { work: "K=2".to_owned(), elements: 100, differing: 1 }];
        let page = write(&Results {
            machine: &machine,
            versions: "Python 3".to_owned(),
            rows: &[row],
            ratios: &[ratio],
            agreements: &agreements,
            sizes: &[2],
            quick: true,
        });
        for part in [
            "bench soup --quick",
            "| floor, fresh file | 0.500 |",
            "| `vs_mergekit` | 21.00 |",
            "| K=2 | 100 | 1 |",
        ] {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
    }
}
