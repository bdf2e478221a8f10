//! `eval`: the base, experts, soups, other models and averaged predictions, all on the same episodes.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use potluck_core::PartyId;
use serde_json::{Value, json};

use super::{Given, Told, line, named};
use crate::body::Runner;
use crate::evaluate::{Episode, Mover, run as run_episodes, summary};
use crate::folder;
use crate::policy::Policy;
use crate::reward::NAMES;
use crate::soup::{Kitchen, Shares};

/// Score candidates: the base, each expert, each soup, on the same episodes
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    given: Given,
    /// A soup of the experts, mixed in memory with the federation's arithmetic; as often as wanted
    #[arg(long = "lambda", value_name = "NAME=SHARE,…")]
    lambdas: Vec<String>,
    /// Allow shares below 0 and above 1
    #[arg(long)]
    extrapolate: bool,
    /// The experts' actions averaged by λ, which costs as many nets a step as it has experts; as often as wanted
    #[arg(long = "ensemble", value_name = "NAME=SHARE,…")]
    ensembles: Vec<String>,
    /// Another model to score, a folder or a file of weights; as often as wanted
    #[arg(long = "model", value_name = "NAME=PATH", value_parser = named)]
    models: Vec<(PartyId, PathBuf)>,
    /// Episodes of each candidate
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    episodes: u32,
    /// Steps of control of an episode; 20 of the cheetah are a second, and 31 of the humanoid
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    horizon: u32,
    /// Of the episodes' beginnings; another one than any training's
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also write the scores of every episode there, as JSON lines
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
}

/// Something to be scored.
struct Candidate {
    name: String,
    kind: &'static str,
    /// Of a soup or an average, in parts per million.
    lambda: Option<Value>,
    policies: Vec<(f64, Policy)>,
}

pub(super) fn run(options: &Options) -> Result<Told> {
    let body = folder::body_of(&options.given.base)?;
    let make = body.maker()?;
    let candidates = candidates(options)?;
    let (mut lines, mut rows, mut scores) = (Vec::new(), Vec::new(), String::new());
    for candidate in &candidates {
        let begin = Instant::now();
        let episodes = score(candidate, &make, options);
        let seconds = begin.elapsed().as_secs_f64();
        let found = summary(&episodes);
        lines.push(line(&candidate.name, &found));
        eprintln!("{}", line(&candidate.name, &found));
        rows.push(json!({
            "name": candidate.name, "kind": candidate.kind, "lambda_ppm": candidate.lambda,
            "means": by_name(found.means), "errors": by_name(found.errors),
            "collapsed": found.collapsed, "seconds": seconds,
        }));
        for (number, episode) in episodes.iter().enumerate() {
            let row = json!({
                "candidate": candidate.name, "episode": number,
                "scores": by_name(episode.scores), "effort": episode.effort,
                "collapsed": episode.is_collapsed,
            });
            scores += &format!("{row}\n");
        }
    }
    if let Some(path) = &options.scores {
        let written = fs::File::create(path).and_then(|mut it| it.write_all(scores.as_bytes()));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let json = json!({
        "verb": "eval", "body": body.name, "rewards": NAMES, "episodes": options.episodes, "horizon": options.horizon,
        "seed": options.seed, "candidates": rows,
    });
    Ok(Told { lines, json })
}

fn by_name(scores: [f64; 2]) -> Value {
    json!({ NAMES[0]: scores[0], NAMES[1]: scores[1] })
}

fn candidates(options: &Options) -> Result<Vec<Candidate>> {
    let Given { base, experts } = &options.given;
    let kitchen = Kitchen::open(base, experts)?;
    let one = |name: String, kind, policy| Candidate {
        name,
        kind,
        lambda: None,
        policies: vec![(1.0, policy)],
    };
    let mut all = vec![one("base".to_owned(), "base", folder::load(base)?)];
    for (name, path) in experts {
        all.push(one(name.to_string(), "expert", folder::load(path)?));
    }
    for (name, path) in &options.models {
        all.push(one(name.to_string(), "model", folder::load(path)?));
    }
    for text in &options.lambdas {
        let shares = Shares::parse(text, options.extrapolate)?;
        let lambda = Some(serde_json::to_value(shares.ppm())?);
        let soup = one(text.clone(), "soup", kitchen.soup(&shares)?);
        all.push(Candidate { lambda, ..soup });
    }
    for text in &options.ensembles {
        let shares = Shares::parse(text, options.extrapolate)?;
        let of = |(name, share): (&PartyId, f64)| {
            let found = experts.iter().find(|(it, _)| it == name);
            let (_, path) = found.with_context(|| {
                format!("--ensemble {text}: no expert {name}; add --expert {name}=PATH")
            })?;
            Ok((share, folder::load(path)?))
        };
        let policies = shares.active().map(of).collect::<Result<Vec<_>>>()?;
        let lambda = Some(serde_json::to_value(shares.ppm())?);
        let name = format!("average of {text}");
        all.push(Candidate { name, kind: "ensemble", lambda, policies });
    }
    let mut names: Vec<_> = all.iter().map(|it| &it.name).collect();
    names.sort();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    ensure!(twice.is_none(), "two candidates are called {}", twice.map_or("", |it| it[0]));
    Ok(all)
}

fn score(
    candidate: &Candidate,
    make: &(impl Fn() -> Runner + Sync),
    options: &Options,
) -> Vec<Episode> {
    let mover = match candidate.policies.as_slice() {
        [(_, policy)] => Mover::Model(policy),
        several => Mover::Ensemble(several.iter().map(|(share, it)| (*share, it)).collect()),
    };
    let (episodes, horizon) = (options.episodes as usize, options.horizon as usize);
    run_episodes(make, &mover, episodes, horizon, options.seed)
}
