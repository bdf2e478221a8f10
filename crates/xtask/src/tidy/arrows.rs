//! Which of our crates may know which: the table, and the check against the manifests.
//!
//! A dependency for tests counts as well, so that no crate's tests lean on a room above it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use super::metadata::Graph;

/// Every arrow there is; `none` stands for a crate that knows no other of ours.
const TABLE: &str = "
    potluck-bargain    -> none
    potluck-core       -> potluck-bargain
    potluck-log        -> none
    potluck-interchange -> potluck-core potluck-log
    potluck-soup       -> potluck-core
    potluck-wire       -> potluck-core potluck-log
    potluck-net        -> potluck-core potluck-log potluck-wire
    potluck-train      -> potluck-core potluck-soup
    potluck-locomotion -> potluck-core potluck-soup potluck-train
    potluck-study      -> potluck-train
    potluck-aggregator -> potluck-bargain potluck-core potluck-log potluck-soup potluck-wire \
                          potluck-net potluck-interchange
    potluck            -> potluck-bargain potluck-core potluck-log potluck-soup potluck-wire \
                          potluck-net potluck-interchange
    potluck-tests      -> potluck-bargain potluck-core potluck-log potluck-soup potluck-wire \
                          potluck-net potluck-interchange potluck-aggregator potluck
    xtask              -> none
";

type Arrows<'t> = BTreeMap<&'t str, BTreeSet<&'t str>>;

/// One line for each arrow outside the table, and for each crate that the table lacks.
///
/// # Errors
/// When the table itself is malformed.
pub(super) fn breaches(graph: &Graph) -> Result<Vec<String>> {
    let table = parse(TABLE)?;
    let mut breaches = Vec::new();
    for (name, member) in &graph.members {
        let Some(allowed) = table.get(name.as_str()) else {
            breaches.push(format!("the crate {name} has no row in the table of arrows"));
            continue;
        };
        let ours = member.dependencies.iter().filter(|it| graph.members.contains_key(*it));
        let strays = ours.filter(|it| !allowed.contains(it.as_str()));
        breaches.extend(strays.map(|it| format!("{name} must not depend on {it}")));
    }
    Ok(breaches)
}

/// Reads the table: unknown targets and rows that stand twice are refused.
fn parse(table: &str) -> Result<Arrows<'_>> {
    let mut arrows = Arrows::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (from, to) = line.split_once("->").with_context(|| format!("no arrow in {line:?}"))?;
        let to = to.split_whitespace().filter(|it| *it != "none").collect();
        let earlier = arrows.insert(from.trim(), to);
        ensure!(earlier.is_none(), "{} has two rows", from.trim());
    }
    let stray = arrows.values().flatten().find(|it| !arrows.contains_key(*it));
    ensure!(stray.is_none(), "an arrow leads to {stray:?}, which has no row");
    Ok(arrows)
}

#[cfg(test)]
mod tests {
    use super::super::metadata::sketch;
    use super::*;

    #[test]
    fn our_table_reads_and_has_no_circle() {
        let mut table = parse(TABLE).unwrap();
        while !table.is_empty() {
            let leaves: Vec<&str> =
                table.iter().filter(|(_, to)| to.is_empty()).map(|(from, _)| *from).collect();
            assert!(!leaves.is_empty(), "a circle among {table:?}");
            table.retain(|from, _| !leaves.contains(from));
            table.values_mut().for_each(|to| to.retain(|it| !leaves.contains(it)));
        }
    }

    #[test]
    fn a_malformed_table_is_refused() {
        assert!(parse("a b").is_err());
        assert!(parse("a -> b").is_err());
        assert!(parse("a -> none\na -> none").is_err());
        assert_eq!(parse("a -> none\nb -> a").unwrap()["b"], BTreeSet::from(["a"]));
    }

    #[test]
    fn an_arrow_outside_the_table_is_named() {
        let graph = sketch(
            &["potluck-log: sha2 potluck-core", "potluck-core: potluck-bargain", "stranger:"],
            &[],
        );
        let expected = [
            "potluck-log must not depend on potluck-core",
            "the crate stranger has no row in the table of arrows",
        ];
        assert_eq!(breaches(&graph).unwrap(), expected);
    }
}
