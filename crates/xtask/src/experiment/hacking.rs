//! What comes of a reward model that is optimised on a longer and longer leash: the proxy goes on rising, and what its
//! party really thinks rises with it, stands still, and falls (Gao, Schulman and Hilton 2023).
//!
//! Both are in the units of Bradley and Terry's law, so that their gains over the base share an axis.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use serde_json::Value;

use super::statistics::{Means, mean};
use super::study::{Role, Seen};

const PAPER: RGBColor = RGBColor(0xfb, 0xfb, 0xf8);
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const PROXY: RGBColor = RGBColor(0xd9, 0x5f, 0x02);
const TRUE: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);

/// What a nat of divergence cost, and by how much more than the base the proxy and the party itself value the policy.
struct Stop {
    cost: f64,
    proxy: f64,
    real: f64,
}

/// One of the two gains.
type Gain = fn(&Stop) -> f64;

/// A seed's, from the shortest leash to the longest; empty where a study has none.
fn leashes(seen: &Seen) -> Vec<Stop> {
    let means = Means::of(seen);
    let real = seen.parties.first().map(|party| format!("true-{party}"));
    let real = seen.measures.iter().position(|it| Some(it) == real.as_ref());
    let (Some(real), Some(base)) = (real, seen.of(Role::Base).next()) else { return Vec::new() };
    let stop = |place: usize| Stop {
        cost: seen.candidates[place].lambda.first().copied().unwrap_or_default(),
        proxy: means.scores[place][0] - means.scores[base][0],
        real: means.measures[place][real] - means.measures[base][real],
    };
    seen.of(Role::Leash).map(stop).collect()
}

/// The mean of each over all seeds.
fn pooled(seeds: &[Seen]) -> Vec<Stop> {
    let all: Vec<Vec<Stop>> = seeds.iter().map(leashes).collect();
    let Some(first) = all.first() else { return Vec::new() };
    let over = |place: usize, of: fn(&Stop) -> f64| {
        mean(&all.iter().filter_map(|it| it.get(place).map(of)).collect::<Vec<_>>())
    };
    let stop = |(place, it): (usize, &Stop)| Stop {
        cost: it.cost,
        proxy: over(place, |it| it.proxy),
        real: over(place, |it| it.real),
    };
    first.iter().enumerate().map(stop).collect()
}

/// Draws `hacking.svg`, and returns what the page says of it; nothing where a study has no such candidates.
///
/// # Errors
/// When the picture cannot be written.
pub(super) fn told(folder: &Path, seeds: &[Seen], result: &Value) -> Result<String> {
    let stops = pooled(seeds);
    let party = result["parties"][0].as_str().unwrap_or_default();
    let Some(last) = stops.last() else { return Ok(String::new()) };
    draw(&folder.join("hacking.svg"), seeds, &stops, party).map_err(|error| anyhow!("{error}"))?;
    let peak = stops.iter().max_by(|a, b| a.real.total_cmp(&b.real)).unwrap_or(last);
    let shape = if peak.real > last.real {
        format!(
            "What the {party} really think rises to {:+.2} over the base at a cost of {} a nat and falls to {:+.2} at {}, where the proxy \
             has gone on from {:+.2} to {:+.2}.",
            peak.real, peak.cost, last.real, last.cost, peak.proxy, last.proxy
        )
    } else {
        format!(
            "What the {party} really think does not fall down to a cost of {} a nat: the proxy gains {:+.2}, they {:+.2}.",
            last.cost, last.proxy, last.real
        )
    };
    let mut text = format!(
        "\n## A proxy on a longer and longer leash\n\n![The leash](hacking.svg)\n\nThe reward model of the {party} alone is optimised for the \
         length of an expert's training, without guards, at a cost of divergence from the base that falls to nothing. {shape} \
         Gains over the base, \
         means over the seeds:\n\n| cost of a nat | proxy | the {party} themselves |\n|---|---|---|\n"
    );
    for stop in &stops {
        text += &format!("| {} | {:+.2} | {:+.2} |\n", stop.cost, stop.proxy, stop.real);
    }
    Ok(text)
}

fn draw(
    path: &Path,
    seeds: &[Seen],
    stops: &[Stop],
    party: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let all: Vec<Vec<Stop>> = seeds.iter().map(leashes).collect();
    let values = || all.iter().flatten().flat_map(|it| [it.proxy, it.real]);
    let (low, high) = (values().fold(0.0, f64::min), values().fold(0.1, f64::max));
    let room = 0.08 * (high - low);
    let area = SVGBackend::new(path, (620, 400)).into_drawing_area();
    area.fill(&PAPER)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("gain over the base", ("sans-serif", 16).into_font().color(&INK))
        .margin(10)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(-0.2..stops.len() as f64 - 0.8, low - room..high + room)?;
    // Costs stand side by side: the last of them has no logarithm.
    let name = |place: &f64| {
        let is_whole = (place - place.round()).abs() < 1e-6;
        let stop = stops.get(place.round() as usize).filter(|_| is_whole && *place > -0.5);
        stop.map(|it| it.cost.to_string()).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("cost of a nat of divergence: the leash grows to the right")
        .x_labels(2 * stops.len())
        .x_label_formatter(&name)
        .y_desc("log odds of being preferred")
        .draw()?;
    let kinds: [(String, RGBColor, Gain); 2] = [
        (format!("proxy: the reward model of the {party}"), PROXY, |it| it.proxy),
        (format!("the {party} themselves"), TRUE, |it| it.real),
    ];
    for (name, color, of) in kinds {
        for seed in &all {
            let line = seed.iter().enumerate().map(|(place, it)| (place as f64, of(it)));
            chart.draw_series(LineSeries::new(line, color.mix(0.3)))?;
        }
        let line = stops.iter().enumerate().map(|(place, it)| (place as f64, of(it)));
        let drawn =
            chart.draw_series(LineSeries::new(line, color.stroke_width(3)).point_size(3))?;
        drawn.label(name).legend(move |(x, y)| {
            PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(3))
        });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(PAPER)
        .border_style(TRANSPARENT)
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::study::Candidate;
    use super::*;

    fn candidate(role: Role, cost: f64, proxy: f64, real: f64) -> Candidate {
        Candidate {
            role,
            lambda: vec![cost, 0.0],
            scores: vec![vec![proxy], vec![0.0]],
            measures: vec![vec![real]],
            collapsed: vec![0.0],
        }
    }

    #[test]
    fn a_leash_is_told_by_its_peak() {
        let seen = Seen {
            seed: 1,
            parties: vec!["a".into(), "b".into()],
            measures: vec!["true-a".into()],
            candidates: vec![
                candidate(Role::Base, 0.0, 1.0, 1.0),
                candidate(Role::Leash, 0.1, 3.0, 2.0),
                candidate(Role::Leash, 0.0, 5.0, 0.5),
            ],
            seconds: Default::default(),
            facts: Value::Null,
        };
        let folder = tempfile::tempdir().unwrap();
        let result = serde_json::json!({"parties": ["a", "b"]});
        let text = told(folder.path(), std::slice::from_ref(&seen), &result).unwrap();
        assert!(
            text.contains(
                "rises to +1.00 over the base at a cost of 0.1 a nat and falls to -0.50 at 0"
            ),
            "{text}"
        );
        assert!(folder.path().join("hacking.svg").is_file());
        let none = Seen { measures: Vec::new(), ..seen };
        assert_eq!(told(folder.path(), &[none], &result).unwrap(), "");
    }
}
