//! Scores: every candidate on the same episodes, which no training has seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{MORL, Made, PARTIES, Shop};
use crate::experiment::federated::pulled;
use crate::experiment::pieces::piece;
use crate::experiment::study::{Candidate, Role};
use crate::experiment::text::{on_edge, shares, text_of};
use crate::process::{arg, beside};

/// Episodes of a candidate; then those of a quick study, and their steps.
const EPISODES: [u64; 2] = [512, 16];
const QUICK_STEPS: u64 = 100;

/// Weights outside [0, 1], of the second party.
const BEYOND: [f64; 4] = [-0.4, -0.2, 1.2, 1.4];

/// Shares of the second in controls and longer trainings.
const FEW: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// What is read of each episode: part of a piece's inputs, so that scores without one of them are made anew.
const COLUMNS: [&str; 3] = ["scores", "effort", "collapsed"];

/// Seeds of episodes lie this far from those of trainings.
const EPISODE_SEEDS: u64 = 9_000_000;

/// A candidate as the command line asks for it.
struct Wanted {
    role: Role,
    lambda: Vec<f64>,
    /// How the program calls it.
    name: String,
    /// The arguments that ask for it.
    args: Vec<String>,
}

/// Scores everything; returns how long the episodes of one soup and of one average took, too.
///
/// # Errors
/// When the program fails, or a candidate is missing in what it wrote.
pub(super) fn scored(
    shop: &Shop<'_>,
    base: &Made,
    made: &BTreeMap<String, Made>,
) -> Result<(Vec<Candidate>, BTreeMap<String, f64>)> {
    let mut experts: Vec<(String, PathBuf)> =
        PARTIES.map(|party| (party.to_owned(), pulled(&shop.dir, party))).into();
    let others = made.iter().filter(|(name, _)| *name == "control" || name.starts_with("long-"));
    experts.extend(others.map(|(name, it)| (name.clone(), it.model.clone())));
    let wanted = wanted(shop, made)?;
    let digests: BTreeMap<&String, &Value> =
        made.iter().map(|(name, it)| (name, &it.blake3)).collect();
    let digests = json!({"base": base.blake3, "made": digests});
    // Two halves, for two processors.
    let (front, rest) = wanted.split_at(wanted.len() / 2);
    let halves = [("front", front), ("rest", rest)];
    let told =
        beside(&halves, |(name, half)| evaluate(shop, base, &experts, half, name, &digests))?;
    let (mut candidates, mut took) = (Vec::new(), BTreeMap::new());
    let first = &told[0].1;
    candidates.push(candidate(Role::Base, vec![0.0; 2], first.get("base"))?);
    for ((_, half), (report, lines)) in halves.into_iter().zip(&told) {
        for it in half {
            candidates.push(candidate(it.role, it.lambda.clone(), lines.get(&it.name))?);
        }
        for (kind, name) in [("soup", "answers of a soup"), ("ensemble", "answers of an ensemble")]
        {
            let rows = report["candidates"].as_array().map(Vec::as_slice).unwrap_or_default();
            let own = rows.iter().filter(|row| row["kind"] == kind);
            let all: Vec<f64> = own.filter_map(|row| row["seconds"].as_f64()).collect();
            if !all.is_empty() {
                took.insert(name.to_owned(), crate::experiment::statistics::mean(&all));
            }
        }
    }
    Ok((candidates, took))
}

fn wanted(shop: &Shop<'_>, made: &BTreeMap<String, Made>) -> Result<Vec<Wanted>> {
    let parties = PARTIES.map(String::from);
    let mut all = Vec::new();
    let mixed = |role, lambda: Vec<f64>, option: &str, text: String, name: String| Wanted {
        role,
        lambda,
        name,
        args: vec![option.to_owned(), text],
    };
    for share in shares(shop.quick) {
        let (lambda, text) = (on_edge(share, 2), text_of(&parties, &on_edge(share, 2)));
        all.push(mixed(Role::Soup, lambda, "--lambda", text.clone(), text));
    }
    for share in BEYOND {
        let text = format!("{}={:.1},{}={share}", PARTIES[0], 1.0 - share, PARTIES[1]);
        all.push(mixed(Role::Beyond, on_edge(share, 2), "--lambda", text.clone(), text));
    }
    for mu in MORL {
        let (name, path) = (format!("morl-{mu}"), &made[&format!("morl-{mu}")].model);
        // A name has no point.
        let called = name.replace('.', "-");
        let args = vec!["--model".to_owned(), format!("{called}={}", arg(path)?)];
        all.push(Wanted { role: Role::Morl, lambda: on_edge(1.0 - mu, 2), name: called, args });
    }
    let pairs = [
        (Role::Control, [PARTIES[0].to_owned(), "control".to_owned()]),
        (Role::Long, PARTIES.map(|party| format!("long-{party}"))),
    ];
    for (role, names) in pairs {
        for share in FEW {
            let (lambda, text) = (on_edge(share, 2), text_of(&names, &on_edge(share, 2)));
            all.push(mixed(role, lambda, "--lambda", text.clone(), text));
        }
    }
    for share in FEW.into_iter().filter(|share| *share > 0.0 && *share < 1.0) {
        let (lambda, text) = (on_edge(share, 2), text_of(&parties, &on_edge(share, 2)));
        let name = format!("average of {text}");
        all.push(mixed(Role::Ensemble, lambda, "--ensemble", text, name));
    }
    Ok(all)
}

/// What the program said, and the episodes of each candidate by its name.
type Evaluated = (Value, BTreeMap<String, Vec<Value>>);

fn evaluate(
    shop: &Shop<'_>,
    base: &Made,
    experts: &[(String, PathBuf)],
    wanted: &[Wanted],
    name: &str,
    digests: &Value,
) -> Result<Evaluated> {
    let episodes = EPISODES[usize::from(shop.quick)].to_string();
    let horizon = if shop.quick { QUICK_STEPS } else { shop.study.horizon }.to_string();
    let mut asked: Vec<&[String]> = Vec::new();
    for it in wanted {
        if !asked.contains(&it.args.as_slice()) {
            asked.push(&it.args);
        }
    }
    let asked = asked.concat();
    let inputs = json!({
        "asked": asked, "episodes": episodes, "horizon": horizon, "digests": digests,
        "columns": COLUMNS,
    });
    let dir = shop.dir.join(format!("scores-{name}"));
    let told = piece(&dir, &inputs, |dir| {
        let (scores, seed) = (dir.join("scores.jsonl"), (EPISODE_SEEDS + shop.seed).to_string());
        let mut args = vec!["eval", "--base", arg(&base.model)?, "--extrapolate"];
        args.extend(["--episodes", &episodes, "--horizon", &horizon, "--seed", &seed]);
        args.extend(["--scores", arg(&scores)?]);
        // Who is named is scored as well.
        let is_mixed = |(name, _): &&(String, PathBuf)| {
            let mut shares = asked.iter().flat_map(|text| text.split(','));
            shares.any(|share| share.split('=').next() == Some(name))
        };
        let named: Vec<String> = experts
            .iter()
            .filter(is_mixed)
            .map(|(name, path)| Ok(format!("{name}={}", arg(path)?)))
            .collect::<Result<_>>()?;
        args.extend(named.iter().flat_map(|expert| ["--expert", expert]));
        args.extend(asked.iter().map(String::as_str));
        shop.succeed(&format!("scores {name}"), &args)
    })?;
    Ok((told, read(&dir.join("scores.jsonl"))?))
}

fn read(path: &Path) -> Result<BTreeMap<String, Vec<Value>>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).context("scores are malformed")?;
        let name = line["candidate"].as_str().context("a score of no candidate")?.to_owned();
        all.entry(name).or_default().push(line);
    }
    Ok(all)
}

fn candidate(role: Role, lambda: Vec<f64>, episodes: Option<&Vec<Value>>) -> Result<Candidate> {
    let episodes = episodes.with_context(|| format!("{role:?} {lambda:?} has no scores"))?;
    let [scores, effort, collapsed] = COLUMNS;
    let all = |of: &dyn Fn(&Value) -> Option<f64>| -> Result<Vec<f64>> {
        episodes.iter().map(|it| of(it).context("an episode without a score")).collect()
    };
    let score = |party: &str| all(&|it| it[scores][party].as_f64());
    let scores = PARTIES.into_iter().map(score).collect::<Result<Vec<_>>>()?;
    ensure!(!episodes.is_empty(), "{role:?} {lambda:?} has no episodes");
    let fell = |it: &Value| Some(f64::from(u8::from(it[collapsed].as_bool()?)));
    Ok(Candidate {
        role,
        lambda,
        measures: vec![all(&|it| it[effort].as_f64())?],
        collapsed: all(&fell)?,
        scores,
    })
}
