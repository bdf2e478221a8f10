//! The bargain on the stage: every party tries the candidates out with its own reward, and shows how they rank for it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::federation::Federation;
use super::front::{Ppm, text};
use super::stage::{Stage, arg};

/// A party and its folder.
type Home = (&'static str, PathBuf);

/// What the charter of the demo has beside `configs/charter.toml`.
pub(crate) fn rules(quick: bool) -> String {
    // Noise of some per cent of the range is what the choice can bear.
    let prompts = if quick { 96 } else { 512 };
    format!(
        "\n[bargain]\nleast_prompts = {prompts}\nprotocol = \"held-out news, one summary each, drawn at temperature 1\"\n\
         \n[agreement]\nratify_permille = 667\n"
    )
}

/// What the parties came to.
#[derive(Debug)]
pub(crate) struct Deal {
    /// The agreed weights.
    pub(crate) lambda: Ppm,
    /// By what: the bargain's rule, or the reason why there is no deal.
    pub(crate) by: String,
}

/// Goes on until there is an agreement. A party called `refuses` accepts no candidate.
///
/// # Errors
/// When a program fails, or the round goes nowhere.
pub(crate) fn strike(
    stage: &Stage,
    federation: &Federation,
    homes: &[Home],
    refuses: Option<&str>,
) -> Result<Deal> {
    // Proposals, three batches with nominations between them, finalists, ratification; each takes a step or two.
    for _ in 0..16 {
        let status = federation.status(&stage.programs)?;
        match status["state"].as_str().unwrap_or_default() {
            "scoring" => score(stage, &status, homes, refuses)?,
            "nominating" => nominate(stage, federation, homes)?,
            "ratifying" => ratify(stage, homes, refuses)?,
            "agreed" => return deal(&status),
            state => bail!("the round came to be '{state}'"),
        }
    }
    bail!("the round does not end")
}

fn score(stage: &Stage, status: &Value, homes: &[Home], refuses: Option<&str>) -> Result<()> {
    let bargain = &status["bargain"];
    let open = bargain["open"].as_array().context("a batch without candidates")?;
    let numbers: Vec<_> = open.iter().map(ToString::to_string).collect();
    let purpose = bargain["purpose"].as_str().unwrap_or_default();
    println!("  {purpose}: everybody scores the candidates {}", numbers.join(", "));
    let batch = bargain["batch"].to_string();
    stage.beside(homes, |(party, dir)| {
        let trainer = stage.programs.path("potluck-train");
        let quick = if stage.quick { " --quick" } else { "" };
        let evaluator = format!(
            "'{}' judge --reward '{}' --threads 1{quick}",
            arg(&trainer)?,
            arg(&dir.join("reward.toml"))?
        );
        let args = ["round", "score", "--dir", arg(dir)?, "--evaluate", &evaluator];
        stage.programs.succeed(&format!("score {batch} {party}"), &args)
    })?;
    let all = numbers.join(",");
    for (party, dir) in homes {
        let mut args = vec!["round", "commit", "--dir", arg(dir)?];
        if refuses == Some(*party) {
            args.extend(["--refuse", &all]);
        }
        stage.programs.succeed(&format!("commit {batch} {party}"), &args)?;
    }
    for (party, dir) in homes {
        let args = ["round", "reveal", "--dir", arg(dir)?];
        stage.programs.succeed(&format!("reveal {batch} {party}"), &args)?;
    }
    Ok(())
}

fn nominate(stage: &Stage, federation: &Federation, homes: &[Home]) -> Result<()> {
    for (party, dir) in homes {
        if federation.status(&stage.programs)?["state"] != "nominating" {
            break;
        }
        let args = ["round", "nominate", "--dir", arg(dir)?];
        let nominated = stage.programs.succeed(&format!("nominate {party}"), &args)?;
        if let Ok(lambda) = serde_json::from_value::<Ppm>(nominated["lambda_ppm"].clone()) {
            println!("  {party:<9} nominates {}", text(&lambda));
        }
    }
    Ok(())
}

fn ratify(stage: &Stage, homes: &[Home], refuses: Option<&str>) -> Result<()> {
    for (party, dir) in homes {
        say(stage, dir, party, refuses == Some(*party))?;
    }
    Ok(())
}

fn say(stage: &Stage, dir: &Path, party: &str, objects: bool) -> Result<()> {
    let mut args = vec!["round", if objects { "object" } else { "ratify" }, "--dir", arg(dir)?];
    if objects {
        args.extend(["--reason", "we accept no mixture"]);
    }
    stage.programs.succeed(&format!("ratify {party}"), &args)?;
    Ok(())
}

fn deal(status: &Value) -> Result<Deal> {
    let agreement = &status["agreement"];
    let lambda: Ppm = serde_json::from_value(agreement["lambda_ppm"].clone())
        .context("an agreement without λ")?;
    let deal = &agreement["deal"];
    let outcome = deal["outcome"].as_str().context("a bargain without an outcome")?;
    let by = match outcome {
        "chosen" => {
            let gains: std::collections::BTreeMap<String, i64> =
                serde_json::from_value(deal["gains_ppm"].clone()).unwrap_or_default();
            for (party, gain) in &gains {
                // In parts of a million; a double holds them.
                println!("  {party:<9} gains {:.0} % of its own best", *gain as f64 / 10_000.0);
            }
            if gains.values().any(|gain| *gain <= 0) {
                bail!("the ledger chose what is no gain for somebody: {deal}");
            }
            deal["rule"].as_str().unwrap_or_default().to_owned()
        }
        fallback => fallback.to_owned(),
    };
    Ok(Deal { lambda, by })
}
