//! Scores: every candidate on the same held-out prompts with the same random numbers.
//!
//! Soups are scored by each party's own evaluator, which knows its reward alone. What has no party (MORL,
//! controls, measures) is scored by one evaluator that knows all rewards, as MORL itself must; it scores the
//! soups, too, and must come to what the parties say.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::recipes::Recipes;
use super::training::Made;
use super::{LEASHES, MORL, Shop, Wanted, federated, on_edge, shares, simplex, text_of};
use crate::experiment::federated::pulled;
use crate::experiment::pieces::piece;
use crate::experiment::study::{Candidate, Role};
use crate::process::{arg, beside};

/// Held-out prompts of a quick study.
const FEW_PROMPTS: u32 = 48;

/// Weights outside [0, 1], of the second party.
const BEYOND: [f64; 4] = [-0.4, -0.2, 1.2, 1.4];

/// Shares of the second in controls, LoRA and longer trainings.
const FEW: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// What is to be scored, in the order of the command line.
pub(super) struct Order {
    base: PathBuf,
    /// Folders.
    models: Vec<(Wanted, PathBuf)>,
    /// Adapters, which are added to the base.
    adapters: Vec<(Wanted, PathBuf)>,
    /// Named experts to mix in memory.
    experts: Vec<(String, PathBuf)>,
    /// What is mixed of them: its text.
    soups: Vec<(Wanted, String)>,
    ensembles: Vec<(Wanted, String)>,
    /// Digests of everything that is read.
    digests: Value,
}

impl Order {
    /// Lists everything, and mixes by `potluck mix` what cannot be mixed in memory.
    ///
    /// # Errors
    /// When a mixture fails.
    pub(super) fn of(
        shop: &Shop,
        recipes: &Recipes,
        base: &Made,
        made: &BTreeMap<String, Made>,
    ) -> Result<Self> {
        let parties = recipes.parties();
        let count = parties.len();
        let grid = shares(recipes.quick);
        let digests: BTreeMap<&String, String> = made
            .iter()
            .map(|(name, made)| Ok((name, federated::digest(made)?)))
            .collect::<Result<_>>()?;
        let mut order = Self {
            base: base.model.clone(),
            models: Vec::new(),
            adapters: Vec::new(),
            experts: parties
                .iter()
                .map(|party| (party.clone(), pulled(&shop.dir, party)))
                .collect(),
            soups: Vec::new(),
            ensembles: Vec::new(),
            digests: json!({"base": base.said["blake3"], "made": digests}),
        };
        for mu in MORL {
            let lambda = on_edge(1.0 - mu, count);
            order.models.push(((Role::Morl, lambda), made[&format!("morl-{mu}")].model.clone()));
        }
        for (number, name) in recipes.pooled().iter().enumerate() {
            // It has no λ; the number says which of them it is.
            let lambda = vec![number as f64, 0.0];
            order.models.push(((Role::Pooled, lambda), made[name].model.clone()));
        }
        for cost in LEASHES {
            if let Some(it) = made.get(&format!("leash-{cost}")) {
                order.models.push(((Role::Leash, vec![cost, 0.0]), it.model.clone()));
            }
        }
        for share in BEYOND {
            let lambda = on_edge(share, count);
            let text = format!("{}={:.1},{}={share:.1}", parties[0], 1.0 - share, parties[1]);
            let flags = ["--method", "task-arithmetic", "--extrapolate"];
            let experts = &order.experts[..2].to_vec();
            let out = mixed(
                shop,
                base,
                &format!("beyond-{share}"),
                experts,
                &text,
                &flags,
                &order.digests,
            )?;
            order.models.push(((Role::Beyond, lambda), out));
        }
        for share in &grid {
            let lambda = on_edge(*share, count);
            let text = text_of(&parties, &lambda);
            order.soups.push(((Role::Soup, lambda), text));
        }
        for lambda in simplex(count) {
            let text = text_of(&parties, &lambda);
            order.soups.push(((Role::Simplex, lambda), text));
        }
        for share in FEW {
            let lambda = on_edge(share, 2);
            let mut pair = |role: Role, first: &str, second: &str| {
                let names = [first.to_owned(), second.to_owned()];
                order.soups.push(((role, lambda.clone()), text_of(&names, &lambda)));
            };
            pair(Role::Control, &parties[0], "control");
            pair(Role::Long, &format!("long-{}", parties[0]), &format!("long-{}", parties[1]));
            let [first, second] = [0, 1].map(|party| format!("lora-{}", parties[party]));
            pair(Role::LoraExact, &first, &second);
            if share > 0.0 && share < 1.0 {
                let lambda = on_edge(share, count);
                let text = text_of(&parties, &lambda);
                order.ensembles.push(((Role::Ensemble, lambda), text));
            }
        }
        for (name, made) in made {
            if name == "control" || name.starts_with("long-") || name.starts_with("lora-") {
                order.experts.push((name.clone(), made.model.clone()));
            }
        }
        order.add_factors(shop, base, &parties, made)?;
        Ok(order)
    }

    /// LoRA adapters whose factors are averaged, as the paper's code does.
    fn add_factors(
        &mut self,
        shop: &Shop,
        base: &Made,
        parties: &[String],
        made: &BTreeMap<String, Made>,
    ) -> Result<()> {
        let adapter = |party: &String| {
            let adapter = made[&format!("lora-{party}")].adapter.clone();
            Ok((party.clone(), adapter.context("a LoRA training without an adapter")?))
        };
        let adapters: Vec<_> = parties[..2].iter().map(adapter).collect::<Result<_>>()?;
        for share in FEW.into_iter().filter(|share| *share > 0.0 && *share < 1.0) {
            let lambda = on_edge(share, 2);
            let text = text_of(parties, &lambda);
            let flags = ["--adapter", "factors"];
            let title = format!("factors-{share}");
            let out = mixed(shop, base, &title, &adapters, &text, &flags, &self.digests)?;
            self.adapters.push(((Role::LoraFactors, lambda), out));
        }
        Ok(())
    }
}

/// Mixes by `potluck mix` into a folder.
fn mixed(
    shop: &Shop,
    base: &Made,
    title: &str,
    experts: &[(String, PathBuf)],
    lambda: &str,
    flags: &[&str],
    digests: &Value,
) -> Result<PathBuf> {
    let inputs = json!({"lambda": lambda, "flags": flags, "digests": digests});
    let dir = shop.dir.join("mixed").join(title);
    piece(&dir, &inputs, |dir| {
        let out = dir.join("soup");
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        let mut args = vec!["mix", "--base", arg(&base.model)?, "--lambda", lambda];
        args.extend(["--out", arg(&out)?, "--threads", "1"]);
        args.extend(flags);
        let named: Vec<String> = experts
            .iter()
            .map(|(name, path)| Ok(format!("{name}={}", arg(path)?)))
            .collect::<Result<_>>()?;
        args.extend(named.iter().flat_map(|expert| ["--expert", expert]));
        shop.programs.succeed(&format!("mix {title}"), &args)
    })?;
    Ok(dir.join("soup"))
}

/// What was scored, and how long the answers of one soup and of one ensemble took.
pub(super) type Scored = (Vec<Candidate>, BTreeMap<String, f64>);

/// Scores everything, and holds the parties' own evaluators against the one that knows all.
///
/// # Errors
/// When a program fails, or two evaluators disagree on the same soup.
pub(super) fn scored(shop: &Shop, recipes: &Recipes, order: &Order) -> Result<Scored> {
    let (parties, measures) = (recipes.parties(), recipes.measures());
    let everything: Vec<String> = parties.iter().chain(&measures).cloned().collect();
    let mut judges = vec![("all".to_owned(), everything)];
    judges.extend(parties.iter().map(|party| (party.clone(), vec![party.clone()])));
    let reports = beside(&judges, |(judge, names)| {
        evaluate(shop, recipes, order, judge, names, judge == "all")
    })?;
    let wanted = std::iter::once((Role::Base, vec![0.0; parties.len()]))
        .chain(order.models.iter().map(|(wanted, _)| wanted.clone()))
        .chain(order.adapters.iter().map(|(wanted, _)| wanted.clone()))
        .chain(order.soups.iter().map(|(wanted, _)| wanted.clone()))
        .chain(order.ensembles.iter().map(|(wanted, _)| wanted.clone()));
    let mut candidates = Vec::new();
    let (told, lines) = &reports[0];
    for ((role, lambda), line) in wanted.zip(lines) {
        candidates.push(candidate(role, lambda, line, &parties, &measures)?);
    }
    ensure!(candidates.len() == lines.len(), "an evaluation of other candidates");
    for (place, (_, report)) in reports[1..].iter().enumerate() {
        let own = candidates
            .iter_mut()
            .filter(|it| matches!(it.role, Role::Base | Role::Soup | Role::Simplex));
        for (candidate, line) in own.zip(report) {
            let scores = numbers(&line["rewards"][&parties[place]])?;
            ensure!(
                scores == candidate.scores[place],
                "{}'s evaluator and the one that knows all rewards disagree on {}",
                parties[place],
                line["candidate"]
            );
        }
    }
    let seconds = [(Role::Soup, "answers of a soup"), (Role::Ensemble, "answers of an ensemble")]
        .map(|(role, name)| (name.to_owned(), seconds_of(told, &candidates, role)));
    Ok((candidates, seconds.into()))
}

/// How long a candidate of this role wrote and was scored, on average; the base has no row.
fn seconds_of(told: &Value, candidates: &[Candidate], role: Role) -> f64 {
    let rows = told["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = candidates.iter().skip(1).zip(rows).filter(|(candidate, _)| candidate.role == role);
    let all: Vec<f64> = own.filter_map(|(_, row)| row["seconds"].as_f64()).collect();
    crate::experiment::statistics::mean(&all)
}

fn candidate(
    role: Role,
    lambda: Vec<f64>,
    line: &Value,
    parties: &[String],
    measures: &[String],
) -> Result<Candidate> {
    let of = |names: &[String]| -> Result<Vec<Vec<f64>>> {
        names.iter().map(|name| numbers(&line["rewards"][name])).collect()
    };
    let (scores, measured) = (of(parties)?, of(measures)?);
    let finished = line["finished"].as_array().context("scores without `finished`")?;
    let readable = measures.iter().position(|it| it == "readable").map(|place| &measured[place]);
    let collapsed = finished.iter().enumerate().map(|(place, finished)| {
        let is_readable = readable.is_none_or(|it| it[place] > 0.0);
        f64::from(u8::from(finished == false || !is_readable))
    });
    Ok(Candidate { role, lambda, collapsed: collapsed.collect(), scores, measures: measured })
}

fn numbers(value: &Value) -> Result<Vec<f64>> {
    let all = value.as_array().with_context(|| format!("no scores in {value}"))?;
    all.iter().map(|it| it.as_f64().context("a prompt without a score")).collect()
}

/// One evaluator's scores, a line a candidate.
fn evaluate(
    shop: &Shop,
    recipes: &Recipes,
    order: &Order,
    judge: &str,
    names: &[String],
    knows_all: bool,
) -> Result<(Value, Vec<Value>)> {
    let recipe = recipes.judged(&order.base, names, false)?;
    let is_own = |(wanted, _): &&(Wanted, String)| {
        knows_all || matches!(wanted.0, Role::Soup | Role::Simplex)
    };
    let lambdas: String =
        order.soups.iter().filter(is_own).map(|(_, text)| format!("{text}\n")).collect();
    let prompts = if recipes.quick { FEW_PROMPTS } else { shop.study.prompts };
    let prompts = &prompts.to_string();
    let inputs = json!({
        "recipe": recipe, "lambdas": lambdas, "prompts": prompts, "digests": order.digests,
        "models": order.models.iter().chain(&order.adapters).map(|(_, path)| path).collect::<Vec<_>>(),
        "task": recipes.study["digest"], "judged": recipes.study["judged"],
    });
    let dir = shop.dir.join(format!("scores-{judge}"));
    let told = piece(&dir, &inputs, |dir| {
        let (path, list) = (dir.join("judge.toml"), dir.join("lambdas"));
        fs::write(&path, &recipe)?;
        fs::write(&list, &lambdas)?;
        let scores = dir.join("scores.jsonl");
        let mut args = vec!["eval", arg(&path)?, "--prompts", prompts, "--threads", "1"];
        args.extend(["--scores", arg(&scores)?, "--lambdas", arg(&list)?]);
        let named: Vec<String> = order
            .experts
            .iter()
            .map(|(name, path)| Ok(format!("{name}={}", arg(path)?)))
            .collect::<Result<_>>()?;
        args.extend(named.iter().flat_map(|expert| ["--expert", expert]));
        if knows_all {
            for (_, path) in &order.models {
                args.extend(["--model", arg(path)?]);
            }
            for (_, path) in &order.adapters {
                args.extend(["--adapter", arg(path)?]);
            }
            args.extend(order.ensembles.iter().flat_map(|(_, text)| ["--ensemble", text]));
        }
        shop.programs.succeed(&format!("scores {judge}"), &args)
    })?;
    Ok((told, read_lines(&dir.join("scores.jsonl"))?))
}

fn read_lines(path: &Path) -> Result<Vec<Value>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines().map(|line| serde_json::from_str(line).context("scores are malformed")).collect()
}
