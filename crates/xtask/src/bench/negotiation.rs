//! `cargo xtask bench negotiation`: how well synthetic federations bargain, and what lies win.
//!
//! Nothing here is timed: the bench program of `potluck-bargain` plays the rounds, and this writes them down.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Args;
use super::report::{Ratio, Target};
use crate::toolchain::{Toolchain, output_of, root};

/// Each figure: its name, what it says, and where it should be.
const FIGURES: [(&str, &str, Target); 8] = [
    ("efficiency_n2", "of two parties", Target::AtLeast(0.99)),
    ("efficiency_n3", "of three", Target::AtLeast(0.99)),
    ("efficiency_n4", "of four", Target::AtLeast(0.99)),
    ("efficiency_n5", "of five", Target::AtLeast(0.99)),
    ("efficiency_n6", "of six", Target::AtLeast(0.99)),
    (
        "truthful_worst_gain",
        "the least that a truthful party ended with, whatever the others told",
        Target::AtLeast(0.0),
    ),
    ("best_lie_gain_n2", "what the best lie of one of two wins it", Target::None),
    ("best_lie_gain_n3", "of one of three", Target::None),
];

/// Plays the rounds, writes `docs/results/negotiation.md`, and prints it.
///
/// # Errors
/// When something cannot be built or run.
pub(super) fn run(args: &Args) -> Result<()> {
    let toolchain = Toolchain::set_up()?;
    let bench = toolchain.build_bench("potluck-bargain", "negotiation")?;
    let worlds = if args.quick { 20 } else { 200 };
    let mut command = Command::new(bench);
    let said = output_of(command.args(["--worlds", &worlds.to_string()]))?;
    let said: Value = serde_json::from_str(said.lines().last().unwrap_or_default())
        .context("the bench's last line is no JSON")?;
    let ratios = FIGURES.map(|(name, meaning, target)| {
        let value = said["ratios"][name].as_f64();
        let values = value.map(|value| ("all".to_owned(), value)).into_iter().collect();
        Ratio { name, meaning, target, values }
    });
    let page = page(&said, &ratios, args.quick)?;
    let path = root().join("docs/results/negotiation.md");
    fs::write(&path, &page).with_context(|| format!("cannot write {}", path.display()))?;
    if args.json {
        println!(
            "{}",
            json!({"bench": "negotiation", "ratios": said["ratios"], "rows": said["rows"]})
        );
    } else {
        println!("{page}\nThis page is {}.", path.display());
    }
    Ok(())
}

fn page(said: &Value, ratios: &[Ratio], quick: bool) -> Result<String> {
    let quick = if quick { " --quick" } else { "" };
    let worlds = said["worlds"].as_u64().context("the bench told no worlds")?;
    let mut page = format!(
        "# Negotiation: how good, and how safe\n\n\
         Written by `cargo xtask bench negotiation{quick}`; the same numbers come out on every machine.\n\n\
         {worlds} made-up federations of each size. Rewards are quadratic in the weights, in 24 directions, which each party\n\
         minds to another extent; each party's expert is its optimum, the base is no deal. A round scores the vertices,\n\
         the midpoints of edges and the centroid, then four candidates that a quadratic model suggests in two steps, and\n\
         scores the three best once more on four times the prompts. Nash's product chooses from those by raw scores.\n\n\
         ## Figures\n\n"
    );
    for ratio in ratios {
        let Some(value) = ratio.worst() else { continue };
        let verdict = match ratio.holds() {
            Some(true) => format!("; target {}: holds", ratio.target),
            Some(false) => format!("; target {}: **does not hold**", ratio.target),
            None => String::new(),
        };
        page += &format!("- `{}`: {value:.4}, {}{verdict}\n", ratio.name, ratio.meaning);
    }
    page += "\n## Efficiency\n\n\
             The geometric mean of the parties' gains over no deal, as a part of the largest that any λ gives: the mean over\n\
             all federations, and what one in ten falls below. *Noise* is the standard deviation of a score, as a part of\n\
             what a party's own expert gains it; *uniform* is equal shares, without a round.\n\n\
             | parties | soups | noise | uniform | round | one in ten below |\n|--:|--:|--:|--:|--:|--:|\n";
    for row in said["rows"].as_array().context("the bench told no rows")? {
        let number = |name: &str| row[name].as_f64().unwrap_or(f64::NAN);
        page += &format!(
            "| {} | {} | {} % | {:.3} | {:.3} | {:.3} |\n",
            row["parties"],
            row["soups"],
            (number("noise") * 100.0).round(),
            number("uniform"),
            number("efficiency"),
            number("low")
        );
    }
    page += "\n## Lies\n\n\
             What the first party ends with, as a part of what its own expert would give it, where scores have no noise. The\n\
             liar knows all scores of all others and accepts nothing but what serves it best: no lie wins more. So bargaining\n\
             by scores can be manipulated; what bounds it is that no candidate is admissible from which another loses, and\n\
             that a sealed round keeps the liar from knowing. The last column is the least that any truthful party ended\n\
             with: nobody is worse off than without a deal.\n\n\
             | parties | truthful | best lie | stays away | two collude | least of the truthful |\n\
             |--:|--:|--:|--:|--:|--:|\n";
    for row in said["lies"].as_array().context("the bench told no lies")? {
        let number = |name: &str| row[name].as_f64().unwrap_or(f64::NAN);
        page += &format!(
            "| {} | {:.3} | {:.3} | {:.3} | {:.3} | {:.4} |\n",
            row["parties"],
            number("honest"),
            number("lie"),
            number("stays_away"),
            number("two_collude"),
            number("truthful_worst")
        );
    }
    Ok(page)
}
