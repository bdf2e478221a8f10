//! `cargo xtask demo`: the whole story on one machine, with real processes on loopback.
//!
//! It trains, joins, pushes, agrees, publishes, evaluates, audits and attacks, through the product's own
//! programs alone, and then holds what came out against what is promised. Each step's program logs into
//! its own file.

mod stage;

mod training;
mod federation;
mod bargain;

mod front;
mod plot;

mod bites;
mod outcome;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::bites::Victim;
use self::federation::Federation;
use self::front::{Point, Ppm, mixture, number};
use self::outcome::{Control, Gain, Outcome};
use self::stage::{PARTIES, Stage};

/// The control is pretrained and fine-tuned with the seed that lies this far off.
const FOREIGN: u64 = 1000;

/// How the story is told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Everything smaller: at most four minutes on two cores, for CI
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print the results as one JSON object, in the last line on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Where every random choice begins
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// This party accepts no candidate in the bargain: then λ is what the proposals entitle to
    #[arg(long, value_name = "PARTY", value_parser = PARTIES)]
    pub(crate) refuse: Option<String>,
    /// Keep the federation, the experts and the soup in this folder, which must be new or empty
    #[arg(long, visible_alias = "keep", value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
}

/// Tells the story and checks what it promises: the gains and every mechanism, and in full also the
/// shape of the front.
///
/// # Errors
/// When a step fails, or a promise does not hold.
pub(crate) fn run(args: Args) -> Result<()> {
    let mut stage = Stage::set(args.quick, args.seed, args.dir)?;
    let bases = stage.step("base", "pretrain and fine-tune the shared base, once", train_bases)?;
    let federation = stage.step("federation", "charter, keys, genesis, aggregator", |stage| {
        federation::found(stage, &bases[0])
    })?;
    let homes = stage.step("join", "each party makes its key and is admitted", |stage| {
        join(stage, &federation)
    })?;
    let outboxes = stage.step("train", "each party fine-tunes on its own reward", |stage| {
        train_experts(stage, &homes, &bases[1])
    })?;
    stage.step("push", "signed experts over QUIC, verified and logged", |stage| {
        push(stage, &homes, &outboxes)
    })?;
    let (agreement, published) = stage.step("agree", "proposals, a bargain, a soup", |stage| {
        agree(stage, &federation, &homes, args.refuse.as_deref())
    })?;
    let reports =
        stage.step("evaluate", "every party scores every soup", |stage| evaluate(stage, &homes))?;
    let (front, gains) = read_reports(&reports)?;
    let base = base_point(&reports)?;
    show_front(&stage, &front, &base)?;
    stage.step("samples", "one text, many summaries", |stage| show_samples(stage, &homes[0].1))?;
    let control =
        stage.step("control", "an expert of another base, mixed in by hand", |stage| {
            control(stage, &homes, &outboxes)
        })?;
    let audit = stage.step("audit", "an auditor recomputes everything", |stage| {
        federation.audit(&stage.programs, &stage.path("auditor"))
    })?;
    let (audited, recomputed) = verdict(&audit);
    let refused = stage.step("bite", "five attacks", |stage| {
        let victim = Victim {
            party: homes[2].0,
            dir: &homes[2].1,
            outbox: &outboxes[2],
            foreign: &outboxes[PARTIES.len()],
        };
        bites::all(stage, &federation, &victim)
    })?;
    let outcome = Outcome {
        gains,
        front,
        control: Some(control),
        agreement,
        soup: (published, recomputed),
        audited,
        refused,
        seconds: stage.seconds().clone(),
    };
    finish(&stage, &outcome, args.json)
}

/// The shared base and, beside it, the base that the control is made from.
fn train_bases(stage: &Stage) -> Result<Vec<PathBuf>> {
    let seeds = [stage.seed, stage.seed + FOREIGN];
    stage.beside(&seeds, |seed| training::base(stage, *seed))
}

fn join(stage: &Stage, federation: &Federation) -> Result<Vec<(&'static str, PathBuf)>> {
    let homes = training::homes(stage);
    for (party, dir) in &homes {
        let key = federation.join(&stage.programs, party, dir)?;
        federation.admit(&stage.programs, party, &key)?;
        training::hand_reward(dir, party)?;
        let (dir, out) = (stage::arg(dir)?, dir.join("base"));
        let args = ["pull", "--dir", dir, "--out", stage::arg(&out)?, "base"];
        stage.programs.succeed(&format!("pull base {party}"), &args)?;
        println!("  {party:<9} {key}");
    }
    Ok(homes)
}

/// The parties' experts and, last, the control's: the last party's reward, on the other base.
fn train_experts(
    stage: &Stage,
    homes: &[(&str, PathBuf)],
    foreign_base: &Path,
) -> Result<Vec<PathBuf>> {
    let foreign = stage.path("foreign");
    fs::create_dir_all(&foreign)?;
    training::hand_reward(&foreign, PARTIES[PARTIES.len() - 1])?;
    let mut jobs: Vec<_> =
        homes.iter().map(|(party, dir)| (*party, dir.join("base"), dir.clone())).collect();
    jobs.push(("foreign", foreign_base.to_path_buf(), foreign));
    stage.beside(&jobs, |(name, base, dir)| {
        training::expert(stage, &format!("expert {name}"), base, dir)
    })
}

fn push(stage: &Stage, homes: &[(&str, PathBuf)], outboxes: &[PathBuf]) -> Result<()> {
    for ((party, dir), outbox) in homes.iter().zip(outboxes) {
        let args = ["push", "--dir", stage::arg(dir)?, stage::arg(outbox)?];
        let pushed = stage.programs.succeed(&format!("push {party}"), &args)?;
        println!("  {party:<9} recorded as entry {}", pushed["index"]);
    }
    Ok(())
}

fn agree(
    stage: &Stage,
    federation: &Federation,
    homes: &[(&'static str, PathBuf)],
    refuses: Option<&str>,
) -> Result<((Ppm, String), String)> {
    federation.open_round(&stage.programs)?;
    for (party, dir) in homes {
        federation::propose(stage, party, dir)?;
    }
    let deal = bargain::strike(stage, federation, homes, refuses)?;
    if refuses.is_some() && !deal.by.starts_with("fallback") {
        bail!("somebody accepts nothing, and still there is a deal: {deal:?}");
    }
    let (lambda, soup) = federation.publish(&stage.programs)?;
    if lambda != deal.lambda {
        bail!("agreed on {}, published {}", front::text(&deal.lambda), front::text(&lambda));
    }
    println!("  agreed    {} by {}", front::text(&lambda), deal.by);
    println!("  soup      blake3 {soup}");
    Ok(((lambda, deal.by), soup))
}

/// Each party fetches the experts, and evaluates in its own process and folder, with its own reward and
/// prompts.
fn evaluate(stage: &Stage, homes: &[(&str, PathBuf)]) -> Result<BTreeMap<String, Value>> {
    for (party, dir) in homes {
        for (expert, path) in experts(dir) {
            let args = ["pull", "--dir", stage::arg(dir)?, "--out", stage::arg(&path)?];
            let args = [&args[..], &["expert", expert]].concat();
            stage.programs.succeed(&format!("pull {expert} {party}"), &args)?;
        }
    }
    let lambdas = front::lambdas(&PARTIES);
    let reports = stage.beside(homes, |(party, dir)| {
        training::evaluate(stage, &format!("evaluate {party}"), dir, &experts(dir), &lambdas)
    })?;
    Ok(PARTIES.iter().map(|party| (*party).to_owned()).zip(reports).collect())
}

/// Where a party keeps the experts that it fetched.
fn experts(dir: &Path) -> Vec<(&'static str, PathBuf)> {
    PARTIES.iter().map(|party| (*party, dir.join("experts").join(party))).collect()
}

/// The front, and each party's gain: the corner of its own expert, in its own report.
fn read_reports(reports: &BTreeMap<String, Value>) -> Result<(Vec<Point>, Vec<Gain>)> {
    let front = front::join(&front::lambdas(&PARTIES), reports)?;
    let gain = |(position, party): (usize, &&str)| {
        let report = &reports[*party];
        let row = &report["rows"][position];
        Ok(Gain {
            name: (*party).to_owned(),
            reward: report["reward"].as_str().unwrap_or_default().to_owned(),
            base: number(&report["base"]["mean"])?,
            expert: number(&row["mean"])?,
            se: number(&row["gain_se"])?,
        })
    };
    let gains = PARTIES.iter().enumerate().map(gain).collect::<Result<_>>()?;
    Ok((front, gains))
}

fn base_point(reports: &BTreeMap<String, Value>) -> Result<Point> {
    let read = |key: &str| -> Result<BTreeMap<String, f64>> {
        let read =
            |(party, report): (&String, &Value)| Ok((party.clone(), number(&report["base"][key])?));
        reports.iter().map(read).collect()
    };
    Ok(Point { lambda_ppm: Ppm::new(), scores: read("mean")?, se: read("se")? })
}

fn show_front(stage: &Stage, front: &[Point], base: &Point) -> Result<()> {
    for edge in front::edges(&PARTIES) {
        println!("\n{}", plot::text(edge, front, base));
    }
    let path = stage.path("front.svg");
    plot::svg(&path, &PARTIES, front, base)?;
    println!("\n  the same as a picture: {}", path.display());
    Ok(())
}

/// As the seed paper shows it: the base, each expert, and λ = 0, ½, 1 between two of them.
fn show_samples(stage: &Stage, dir: &Path) -> Result<()> {
    let (first, last) = (PARTIES[0], PARTIES[PARTIES.len() - 1]);
    let mut lambdas: Vec<_> = PARTIES.iter().map(|party| mixture(&[(party, 1_000_000)])).collect();
    let between = [(1_000_000, 0), (500_000, 500_000), (0, 1_000_000)];
    lambdas.extend(between.map(|(a, b)| mixture(&[(first, a), (last, b)])));
    let report = training::samples(stage, dir, &experts(dir), &lambdas)?;
    println!("  {}\n", report["article"].as_str().context("samples without their text")?);
    let samples = report["samples"].as_array().context("no samples")?;
    for (position, sample) in samples.iter().enumerate() {
        let title = match position {
            0 => "base".to_owned(),
            n if n <= PARTIES.len() => format!("expert {}", PARTIES[n - 1]),
            n => {
                format!("λ = {} ({first} to {last})", ["0", "½", "1"][(n - 1 - PARTIES.len()) % 3])
            }
        };
        println!("  {title:<30} {}", sample["greedy"]["text"].as_str().unwrap_or_default());
    }
    Ok(())
}

/// Half of the first party's expert and half of the foreign one, against the chord between the two.
fn control(stage: &Stage, homes: &[(&str, PathBuf)], outboxes: &[PathBuf]) -> Result<Control> {
    let (first, last) = (PARTIES[0], PARTIES[PARTIES.len() - 1]);
    let experts = [(first, outboxes[0].clone()), ("foreign", outboxes[PARTIES.len()].clone())];
    let lambdas = [(1_000_000, 0), (500_000, 500_000), (0, 1_000_000)]
        .map(|(own, foreign)| mixture(&[(first, own), ("foreign", foreign)]));
    let judges = [&homes[0], &homes[PARTIES.len() - 1]];
    let reports = stage.beside(&judges, |(party, dir)| {
        training::evaluate(stage, &format!("control {party}"), dir, &experts, &lambdas)
    })?;
    let reports = [first, last].map(str::to_owned).into_iter().zip(reports).collect();
    let points = front::join(&lambdas, &reports)?;
    let height = front::heights(&points.iter().collect::<Vec<_>>(), (first, last))?[0];
    println!(
        "  the federation refuses such an expert; mixed in by hand at λ = ½ it lies {:.0} % of the \
         range {} the chord: models of different bases are not linearly connected",
        height.abs() * 100.0,
        if height < 0.0 { "below" } else { "above" }
    );
    Ok(Control { height })
}

/// How many entries were verified, if all were, and what the auditor's soup hashes to.
fn verdict(audit: &Value) -> (Option<u64>, String) {
    let entries = audit["entries"].as_u64().filter(|_| audit["ok"] == true);
    let soups = audit["soups"].as_array().map(Vec::as_slice).unwrap_or_default();
    let recomputed = soups.last().and_then(|soup| soup["recomputed_blake3"].as_str());
    let recomputed = recomputed.unwrap_or_default().to_owned();
    match entries {
        Some(entries) => println!("  {entries} entries verified; recomputed blake3 {recomputed}"),
        None => println!("  the audit failed: {audit}"),
    }
    (entries, recomputed)
}

/// Judges, and says where everything is.
fn finish(stage: &Stage, outcome: &Outcome, json: bool) -> Result<()> {
    let shapes = outcome::shapes(&PARTIES, &outcome.front);
    let shapes = match (shapes, stage.quick) {
        (Ok(shapes), _) => shapes,
        // A quick training may not get far enough for two experts to trade.
        (Err(error), true) => {
            println!("  no shape of the front: {error}");
            Vec::new()
        }
        (Err(error), false) => return Err(error),
    };
    outcome.print(&shapes);
    println!("  everything is in {}", stage.dir().display());
    let report = outcome.json(&shapes);
    fs::write(stage.path("outcome.json"), format!("{report:#}\n"))?;
    if json {
        println!("{report}");
    }
    outcome.judge((!stage.quick).then_some(&shapes[..]))
}
