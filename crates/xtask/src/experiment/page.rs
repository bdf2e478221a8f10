//! `result.json`, and the page that is written from it and from nothing else.

use serde_json::{Value, json};

use super::fairness;
use super::hypervolume::hypervolume;
use super::shapes::shapes;
use super::statistics::{Means, mean, standard_error};
use super::study::{Role, Seen, Study};

/// Everything that a page tells.
pub(super) fn result(study: &dyn Study, seeds: &[Seen], is_quick: bool) -> Value {
    let about = study.about();
    json!({
        "study": study.name(),
        "about": about,
        "quick": is_quick,
        "seeds": seeds.iter().map(|seen| seen.seed).collect::<Vec<_>>(),
        "prompts": seeds.first().map_or(0, Seen::prompts),
        "parties": seeds.first().map(|seen| seen.parties.clone()),
        "measures": seeds.first().map(|seen| seen.measures.clone()),
        "shapes": shapes(seeds, about.falls),
        "fairness": fairness::table(seeds),
        "hypervolumes": seeds.iter().map(hypervolumes).collect::<Vec<_>>(),
        "economy": economy(seeds),
        "points": seeds.iter().map(points).collect::<Vec<_>>(),
        "facts": seeds.iter().map(|seen| &seen.facts).collect::<Vec<_>>(),
    })
}

/// Every candidate of a seed with its means and standard errors.
fn points(seen: &Seen) -> Value {
    let means = Means::of(seen);
    let point = |(place, candidate): (usize, &super::study::Candidate)| {
        json!({
            "role": candidate.role,
            "lambda": candidate.lambda,
            "scores": means.scores[place],
            "errors": candidate.scores.iter().map(|it| standard_error(it)).collect::<Vec<_>>(),
            "measures": means.measures[place],
            "collapsed": means.collapsed[place],
        })
    };
    json!({"seed": seen.seed, "candidates": seen.candidates.iter().enumerate().map(point).collect::<Vec<_>>()})
}

/// In the rewards' own units, from both reference points.
fn hypervolumes(seen: &Seen) -> Value {
    let means = Means::of(seen);
    let of = |role: Role| -> Vec<Vec<f64>> {
        seen.of(role).map(|place| means.scores[place][..2].to_vec()).collect()
    };
    let base: Vec<f64> = of(Role::Base).into_iter().next().unwrap_or_else(|| vec![0.0; 2]);
    let soups = of(Role::Soup);
    let ends: Vec<Vec<f64>> = [soups.first(), soups.last()]
        .into_iter()
        .flatten()
        .cloned()
        .chain([base.clone()])
        .collect();
    let nadir: Vec<f64> = (0..2)
        .map(|axis| ends.iter().map(|point| point[axis]).fold(f64::INFINITY, f64::min))
        .collect();
    let all = |reference: &[f64]| {
        json!({
            "soups": hypervolume(&soups, reference), "experts and base": hypervolume(&ends, reference),
            "MORL": hypervolume(&of(Role::Morl), reference),
            "prediction averaging": hypervolume(&of(Role::Ensemble), reference),
        })
    };
    json!({"seed": seen.seed, "base": base, "nadir": nadir, "from base": all(&base), "from nadir": all(&nadir)})
}

fn economy(seeds: &[Seen]) -> Value {
    let of = |wanted: &dyn Fn(&str) -> bool, fold: fn(f64, f64) -> f64| {
        let per_seed: Vec<f64> = seeds
            .iter()
            .map(|seen| {
                let own = seen.seconds.iter().filter(|(name, _)| wanted(name));
                own.map(|(_, seconds)| *seconds).fold(0.0, fold)
            })
            .collect();
        mean(&per_seed)
    };
    let is_expert = |name: &str| name.starts_with("expert-");
    let soup_seconds: Vec<f64> = seeds
        .iter()
        .flat_map(|seen| seen.facts["federation"]["soups"].as_array().into_iter().flatten())
        .filter_map(|soup| soup["seconds"].as_f64())
        .collect();
    json!({
        "experts one after the other": of(&is_expert, |a, b| a + b),
        "experts at the same time, each on a machine of its own": of(&is_expert, f64::max),
        "five MORL trainings": of(&|name| name.starts_with("morl-"), |a, b| a + b),
        "from a new λ to the soup at a party": mean(&soup_seconds),
        "answers of one soup": of(&|name| name == "answers of a soup", |a, b| a + b),
        "answers of an ensemble": of(&|name| name == "answers of an ensemble", |a, b| a + b),
    })
}

/// Whether a shape holds, in words.
pub(super) fn verdict(shape: &Value) -> String {
    let Some(figure) = shape["figure"].as_f64() else {
        return format!("fails: {}", shape["why"].as_str().unwrap_or("it could not be measured"));
    };
    let of = |place: usize| shape["interval"][place].as_f64().unwrap_or(f64::NAN);
    let seeds = shape["seeds"].as_array().map_or(0, Vec::len);
    let holds = match (shape["holds"].as_bool(), &shape["holding"]) {
        (None, _) => "reported".to_owned(),
        (Some(true), _) => "holds".to_owned(),
        (Some(false), holding) => format!("fails ({holding} of {seeds} seeds)"),
    };
    format!("{figure:+.3} [{:+.3}, {:+.3}]  {holds}", of(0), of(1))
}

/// The page.
pub(super) fn text(result: &Value) -> String {
    let about = &result["about"];
    let word = |key: &str| about[key].as_str().unwrap_or_default();
    let name = result["study"].as_str().unwrap_or_default();
    let seeds = result["seeds"].as_array().map_or(0, Vec::len);
    let first = result["seeds"][0].as_u64().unwrap_or(1);
    let quick = if result["quick"] == true {
        "**Made with `--quick`: its figures mean nothing.**\n\n"
    } else {
        ""
    };
    let mut page = format!(
        "# {}\n\n{quick}    cargo xtask experiment {name} --seeds {seeds}{}\n\n{}\n\n",
        word("title"),
        if first == 1 { String::new() } else { format!(" --first-seed {first}") },
        word("task")
    );
    page += &format!(
        "Each party has one reward, trains its own expert from the shared base, and pushes it to a federation that admits \
         it. A *soup* is Σ λᵢ · expertᵢ, of the experts as they were pulled from it. An auditor recomputed the published \
         soups, byte for byte. Every figure below is over {} {}, with the \
         same random numbers for every candidate; intervals are 95 % bootstrap intervals over seeds and prompts. All of \
         them stand in [result.json](result.json). Recipes were tuned on seeds from 101 on.\n\n",
        result["prompts"],
        word("scored")
    );
    page += &format!("{}![The front](front.svg)\n\n", short(&result["shapes"], seeds));
    page += &format!(
        "Across: {}. Up: {}. A point is a mixture; the dashed *chord* joins the two experts, and rewarded soups should lie \
         beyond it. *MORL* is one model trained on both rewards at fixed weights, a training a point, of weights 0, ¼, ½, ¾ \
         and 1; the ends are trainings of their own, with other seeds than the experts. *Prediction averaging* runs both \
         experts and {}.\n\n",
        about["rewards"][0].as_str().unwrap_or_default(),
        about["rewards"][1].as_str().unwrap_or_default(),
        word("averaging")
    );
    page += &shapes_table(&result["shapes"]);
    page += &points_table(result);
    page += &fairness_table(result);
    page += &economy_table(&result["economy"]);
    page += &format!(
        "## Beside the paper\n\n{}\n\n{}\n\n## Limits\n\n{}\n",
        word("paper"),
        word("figures"),
        word("limits")
    );
    page
}

/// How the study came out, in a sentence.
fn short(shapes: &Value, seeds: usize) -> String {
    let judged =
        || shapes.as_object().into_iter().flatten().filter(|(_, it)| it["holds"].is_boolean());
    let fails: Vec<&str> =
        judged().filter(|(_, it)| it["holds"] == false).map(|(key, _)| key.as_str()).collect();
    let all = judged().count();
    match fails.len() {
        0 => format!("**All {all} shapes that are asked for hold in each of {seeds} seeds.**\n\n"),
        missed => format!(
            "**Of {all} shapes that are asked for, {} hold in each of {seeds} seeds; {} not.**\n\n",
            all - missed,
            fails.join(", ") + if missed == 1 { " does" } else { " do" }
        ),
    }
}

fn shapes_table(shapes: &Value) -> String {
    let mut text = "## Shapes\n\nThe claim, taken apart. *Range* is the distance of the two experts in a reward; a *height* is how far a \
                    point lies beyond the chord, both rewards in shares of their range and added. A shape holds if it \
                    holds in every seed.\n\n| | figure, mean of the seeds | interval | each seed | |\n|---|---|---|---|---|\n"
        .to_owned();
    for (key, shape) in shapes.as_object().into_iter().flatten() {
        let each: Vec<String> = shape["seeds"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64)
            .map(|it| format!("{it:+.3}"))
            .collect();
        let of = |value: &Value| value.as_f64().map_or("–".to_owned(), |it| format!("{it:+.3}"));
        let holds = match shape["holds"].as_bool() {
            Some(true) => "**holds**",
            Some(false) => "**fails**",
            None => "reported",
        };
        text += &format!(
            "| {key} | {}: {} | {} … {} | {} | {holds} |\n",
            shape["says"].as_str().unwrap_or_default(),
            of(&shape["figure"]),
            of(&shape["interval"][0]),
            of(&shape["interval"][1]),
            each.join(", ")
        );
    }
    text + "\n"
}

/// Means over seeds of what is shown in the picture.
fn points_table(result: &Value) -> String {
    let parties = strings(&result["parties"]);
    let measures = strings(&result["measures"]);
    let heads: Vec<&str> = parties.iter().chain(&measures).map(String::as_str).collect();
    let mut text = format!(
        "## Candidates\n\nMeans over the seeds. λ is the weight of each party, in the order {}.\n\n| candidate | λ | {} | collapsed |\n|---|---|{}---|\n",
        parties.join(", "),
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    let all: Vec<&Vec<Value>> = result["points"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|seed| seed["candidates"].as_array())
        .collect();
    let Some(first) = all.first() else { return text };
    for (place, candidate) in first.iter().enumerate() {
        let over = |key: &str, which: usize| {
            let values: Vec<f64> =
                all.iter().filter_map(|seed| seed.get(place)?[key][which].as_f64()).collect();
            format!("{:.3}", mean(&values))
        };
        let collapsed: Vec<f64> =
            all.iter().filter_map(|seed| seed.get(place)?["collapsed"].as_f64()).collect();
        let cells: Vec<String> = (0..parties.len())
            .map(|which| over("scores", which))
            .chain((0..measures.len()).map(|which| over("measures", which)))
            .collect();
        let role = candidate["role"].as_str().unwrap_or_default().replace('_', " ");
        text += &format!(
            "| {role} | {} | {} | {:.1} % |\n",
            told_weights(&role, &candidate["lambda"]),
            cells.join(" | "),
            100.0 * mean(&collapsed)
        );
    }
    text + "\n"
}

/// λ of a candidate; of one that has none, what it has in its place.
fn told_weights(role: &str, lambda: &Value) -> String {
    let numbers = lambda.as_array().into_iter().flatten().filter_map(Value::as_f64);
    match role {
        "base" => String::new(),
        // The cost of divergence, down to thousandths.
        "leash" => numbers.take(1).map(|cost| format!("cost {cost}")).collect(),
        "pooled" => numbers.take(1).map(|which| format!("model {}", which + 1.0)).collect(),
        _ => {
            let short = |it| format!("{it:.2}").trim_end_matches('0').trim_end_matches('.').into();
            numbers.map(short).collect::<Vec<String>>().join(" ")
        }
    }
}

fn fairness_table(result: &Value) -> String {
    let parties = strings(&result["parties"]);
    let mut text = format!(
        "## Who gains how much\n\nGains over the base as shares of what a party's own expert gains, means over the seeds. λ is \
         chosen on one half of the prompts; the gains are those on the other.\n\n| λ by | {} | least |\n|---|{}---|\n",
        parties.join(" | "),
        "---|".repeat(parties.len())
    );
    for row in result["fairness"].as_array().into_iter().flatten() {
        let gains: Vec<String> = row["gains"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64)
            .map(|it| format!("{:.0} %", 100.0 * it))
            .collect();
        let least = 100.0 * row["least"].as_f64().unwrap_or_default();
        let rule = row["rule"].as_str().unwrap_or_default();
        text += &format!("| {rule} | {} | {least:.0} % |\n", gains.join(" | "));
    }
    text + "\n"
}

fn economy_table(economy: &Value) -> String {
    let mut text = "## What it costs\n\nSeconds of one thread with other trainings beside it, means over the seeds, on the machine that wrote this page.\n\n| | seconds |\n|---|---|\n"
        .to_owned();
    for (key, value) in economy.as_object().into_iter().flatten() {
        text += &format!("| {key} | {:.1} |\n", value.as_f64().unwrap_or_default());
    }
    text + "\n"
}

fn strings(value: &Value) -> Vec<String> {
    let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect()
}
