//! What comes of a reward model that is optimised with nothing that holds the policy near its base: the proxy rises, and
//! what its party really thinks rises with it, stands still, and falls.
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

/// After how long, and by how much more than the base the proxy and the party itself value the policy.
struct Stop {
    length: f64,
    proxy: f64,
    real: f64,
}

/// The course of a seed; empty where a study has none.
fn course(seen: &Seen) -> Vec<Stop> {
    let means = Means::of(seen);
    let real = seen.parties.first().map(|party| format!("true-{party}"));
    let real = seen.measures.iter().position(|it| Some(it) == real.as_ref());
    let (Some(real), Some(base)) = (real, seen.of(Role::Base).next()) else { return Vec::new() };
    let stop = |place: usize| Stop {
        length: seen.candidates[place].lambda.first().copied().unwrap_or_default(),
        proxy: means.scores[place][0] - means.scores[base][0],
        real: means.measures[place][real] - means.measures[base][real],
    };
    let start = Stop { length: 0.0, proxy: 0.0, real: 0.0 };
    let stops: Vec<Stop> = seen.of(Role::Course).map(stop).collect();
    if stops.is_empty() { stops } else { std::iter::once(start).chain(stops).collect() }
}

/// The course of all seeds: the mean of each stop.
fn pooled(seeds: &[Seen]) -> Vec<Stop> {
    let all: Vec<Vec<Stop>> = seeds.iter().map(course).collect();
    let Some(first) = all.first() else { return Vec::new() };
    let over = |place: usize, of: fn(&Stop) -> f64| {
        mean(&all.iter().filter_map(|it| it.get(place).map(of)).collect::<Vec<_>>())
    };
    let stop = |(place, it): (usize, &Stop)| Stop {
        length: it.length,
        proxy: over(place, |it| it.proxy),
        real: over(place, |it| it.real),
    };
    first.iter().enumerate().map(stop).collect()
}

/// Draws `hacking.svg`, and returns what the page says of it; nothing where a study has no course.
///
/// # Errors
/// When the picture cannot be written.
pub(super) fn told(folder: &Path, seeds: &[Seen], result: &Value) -> Result<String> {
    let stops = pooled(seeds);
    let party = result["parties"][0].as_str().unwrap_or_default();
    let Some(last) = stops.last() else { return Ok(String::new()) };
    draw(&folder.join("hacking.svg"), seeds, &stops, party).map_err(|error| anyhow!("{error}"))?;
    let peak = stops.iter().max_by(|a, b| a.real.total_cmp(&b.real)).unwrap_or(last);
    let shape = if peak.length < last.length {
        format!(
            "What {party} really think rises to {:+.2} after {} lengths and falls to {:+.2} after {}, while the proxy goes on from \
             {:+.2} to {:+.2}.",
            peak.real, peak.length, last.real, last.length, peak.proxy, last.proxy
        )
    } else {
        format!(
            "Within {} lengths what {party} really think does not fall: the proxy gains {:+.2}, they {:+.2}.",
            last.length, last.proxy, last.real
        )
    };
    let mut text = format!(
        "\n## A proxy, optimised freely\n\n![The course](hacking.svg)\n\nThe reward model of {party} alone, with no cost of divergence \
         and no guard, for up to {} times an expert's training. {shape} Gains over the base, means over the seeds:\n\n\
         | lengths | proxy | {party} themselves |\n|---|---|---|\n",
        last.length
    );
    for stop in &stops {
        text += &format!("| {} | {:+.2} | {:+.2} |\n", stop.length, stop.proxy, stop.real);
    }
    Ok(text)
}

fn draw(
    path: &Path,
    seeds: &[Seen],
    stops: &[Stop],
    party: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let all: Vec<Vec<Stop>> = seeds.iter().map(course).collect();
    let values = || all.iter().flatten().flat_map(|it| [it.proxy, it.real]);
    let (low, high) = (values().fold(0.0, f64::min), values().fold(0.1, f64::max));
    let room = 0.08 * (high - low);
    let longest = stops.last().map_or(1.0, |it| it.length);
    let area = SVGBackend::new(path, (620, 400)).into_drawing_area();
    area.fill(&PAPER)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("gain over the base", ("sans-serif", 16).into_font().color(&INK))
        .margin(10)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..longest, low - room..high + room)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("lengths of an expert's training")
        .y_desc("log odds of being preferred")
        .draw()?;
    let kinds: [(String, RGBColor, fn(&Stop) -> f64); 2] = [
        (format!("proxy: the reward model of {party}"), PROXY, |it| it.proxy),
        (format!("{party} themselves"), TRUE, |it| it.real),
    ];
    for (name, color, of) in kinds {
        for seed in &all {
            let line = seed.iter().map(|it| (it.length, of(it)));
            chart.draw_series(LineSeries::new(line, color.mix(0.3)))?;
        }
        let line = stops.iter().map(|it| (it.length, of(it)));
        let drawn =
            chart.draw_series(LineSeries::new(line, color.stroke_width(3)).point_size(3))?;
        drawn.label(name).legend(move |(x, y)| {
            PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(3))
        });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
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

    fn candidate(role: Role, length: f64, proxy: f64, real: f64) -> Candidate {
        Candidate {
            role,
            lambda: vec![length, 0.0],
            scores: vec![vec![proxy], vec![0.0]],
            measures: vec![vec![real]],
            collapsed: vec![0.0],
        }
    }

    #[test]
    fn a_course_is_told_by_its_peak() {
        let seen = Seen {
            seed: 1,
            parties: vec!["a".into(), "b".into()],
            measures: vec!["true-a".into()],
            candidates: vec![
                candidate(Role::Base, 0.0, 1.0, 1.0),
                candidate(Role::Course, 1.0, 3.0, 2.0),
                candidate(Role::Course, 4.0, 5.0, 0.5),
            ],
            seconds: Default::default(),
            facts: Value::Null,
        };
        let folder = tempfile::tempdir().unwrap();
        let result = serde_json::json!({"parties": ["a", "b"]});
        let text = told(folder.path(), &[seen.clone()], &result).unwrap();
        assert!(
            text.contains("rises to +1.00 after 1 lengths and falls to -0.50 after 4"),
            "{text}"
        );
        assert!(folder.path().join("hacking.svg").is_file());
        let none = Seen { measures: Vec::new(), ..seen };
        assert_eq!(told(folder.path(), &[none], &result).unwrap(), "");
    }
}
