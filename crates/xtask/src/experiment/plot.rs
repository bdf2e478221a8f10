//! The front as a picture, one style for all studies: a panel a seed, and one for all seeds together.
//!
//! Pictures have a background of their own, so that they read on light and dark pages alike.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::statistics::{Means, bootstrap, standard_error};
use super::study::{Role, Seen, Study};

const PANEL: (u32, u32) = (400, 400);
const PAPER: RGBColor = RGBColor(0xfb, 0xfb, 0xf8);
const SOUP: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const CHORD: RGBColor = RGBColor(0x88, 0x88, 0x88);
const BASE: RGBColor = RGBColor(0x22, 0x22, 0x22);
const MORL: RGBColor = RGBColor(0xd9, 0x5f, 0x02);
const CONTROL: RGBColor = RGBColor(0xb0, 0x1e, 0x3c);
const BEYOND: RGBColor = RGBColor(0x7a, 0x4f, 0xa8);
const ENSEMBLE: RGBColor = RGBColor(0x2a, 0x8c, 0x4a);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Panel<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A point with its interval on each axis, as half a width.
#[derive(Clone, Copy)]
struct Spot {
    at: [f64; 2],
    error: [f64; 2],
}

/// Draws `front.svg` and, where there is a control, `control.svg`.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn draw(folder: &Path, study: &dyn Study, seeds: &[Seen]) -> Result<()> {
    let about = study.about();
    let path = folder.join("front.svg");
    let size = (PANEL.0 * (seeds.len() as u32 + 1), PANEL.1 + 40);
    let area = SVGBackend::new(&path, size).into_drawing_area();
    area.fill(&PAPER)?;
    let (above, legend) = area.split_vertically(PANEL.1);
    let cells = above.split_evenly((1, seeds.len() + 1));
    for (cell, seen) in cells.iter().zip(seeds) {
        let title = format!("seed {}", seen.seed);
        let spots = spots_of(seen);
        let names = about.rewards;
        panel(cell, &title, &spots, names).map_err(|error| anyhow!("{error}"))?;
    }
    if let Some(cell) = cells.last() {
        let pooled = pooled(seeds);
        let names = ["first reward, in shares of the range", "second reward"];
        panel(cell, "all seeds, with 95 % intervals", &pooled, names)
            .map_err(|error| anyhow!("{error}"))?;
    }
    legend_of(&legend).map_err(|error| anyhow!("{error}"))?;
    area.present()?;
    Ok(())
}

/// Candidates of a role in the order of λ.
type Spots = Vec<(Role, f64, Spot)>;

/// One seed's candidates in the plane, with standard errors.
fn spots_of(seen: &Seen) -> Spots {
    let means = Means::of(seen);
    let spot = |place: usize| {
        let candidate = &seen.candidates[place];
        let at = [0, 1].map(|axis| means.scores[place][axis]);
        let error = [0, 1].map(|axis| 1.96 * standard_error(&candidate.scores[axis]));
        (candidate.role, candidate.lambda.get(1).copied().unwrap_or_default(), Spot { at, error })
    };
    let mut all: Spots = (0..seen.candidates.len()).map(spot).collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    all
}

/// Means over seeds in shares of each seed's range, with bootstrap intervals.
fn pooled(seeds: &[Seen]) -> Spots {
    let Some(first) = seeds.first() else { return Vec::new() };
    let count = first.candidates.len();
    let figures = |sample: &[(&Seen, Means)]| {
        let mut all = vec![0.0; 2 * count];
        for (seen, means) in sample {
            let ends = [&[1.0, 0.0], &[0.0, 1.0]].map(|it| seen.at(Role::Soup, it));
            let [Some(a), Some(b)] = ends else { return vec![f64::NAN; 2 * count] };
            for place in 0..count.min(seen.candidates.len()) {
                for axis in [0, 1] {
                    let (low, high) = match axis {
                        0 => (means.scores[b][0], means.scores[a][0]),
                        _ => (means.scores[a][1], means.scores[b][1]),
                    };
                    all[2 * place + axis] +=
                        (means.scores[place][axis] - low) / (high - low) / sample.len() as f64;
                }
            }
        }
        all
    };
    let whole: Vec<(&Seen, Means)> = seeds.iter().map(|seen| (seen, Means::of(seen))).collect();
    let (centre, intervals) = (figures(&whole), bootstrap(seeds, figures));
    let spot = |place: usize| {
        let candidate = &first.candidates[place];
        let at = [centre[2 * place], centre[2 * place + 1]];
        let error = [0, 1].map(|axis| {
            let [low, high] = intervals[2 * place + axis];
            (high - low) / 2.0
        });
        (candidate.role, candidate.lambda.get(1).copied().unwrap_or_default(), Spot { at, error })
    };
    let mut all: Spots = (0..count).map(spot).collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    all
}

fn of(spots: &Spots, role: Role) -> Vec<Spot> {
    spots
        .iter()
        .filter(|it| it.0 == role && it.2.at.iter().all(|x| x.is_finite()))
        .map(|it| it.2)
        .collect()
}

fn panel(
    cell: &Area,
    title: &str,
    spots: &Spots,
    names: [&str; 2],
) -> Result<(), Box<dyn std::error::Error>> {
    let shown: Vec<Spot> = [Role::Base, Role::Soup, Role::Morl, Role::Ensemble]
        .into_iter()
        .flat_map(|role| of(spots, role))
        .collect();
    let mut chart = ChartBuilder::on(cell)
        .caption(title, ("sans-serif", 16).into_font().color(&BASE))
        .margin(10)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(range(&shown, 0), range(&shown, 1))?;
    let short = |name: &str| name.split(':').next().unwrap_or(name).to_owned();
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(6)
        .y_labels(6)
        .x_desc(short(names[0]))
        .y_desc(short(names[1]))
        .draw()?;
    let soups = of(spots, Role::Soup);
    let ends: Vec<(f64, f64)> = [soups.first(), soups.last()]
        .into_iter()
        .flatten()
        .map(|it| (it.at[0], it.at[1]))
        .collect();
    chart.draw_series(DashedLineSeries::new(ends, 5, 4, CHORD.stroke_width(1)))?;
    // What lies far outside is left out.
    let (across, up) = (range(&shown, 0), range(&shown, 1));
    let inside = |spot: &Spot| across.contains(&spot.at[0]) && up.contains(&spot.at[1]);
    let within = |role| of(spots, role).into_iter().filter(inside).collect::<Vec<_>>();
    for pair in of(spots, Role::Control).windows(2) {
        if let Some(part) = clipped([pair[0].at, pair[1].at], &[&across, &up]) {
            let part = part.map(|[x, y]| (x, y)).to_vec();
            chart.draw_series([PathElement::new(part, CONTROL.mix(0.5))])?;
        }
    }
    path(&mut chart, &soups, SOUP)?;
    chart.draw_series(
        within(Role::Control)
            .iter()
            .map(|it| Cross::new((it.at[0], it.at[1]), 4, CONTROL.stroke_width(2))),
    )?;
    chart.draw_series(
        of(spots, Role::Ensemble)
            .iter()
            .map(|it| Circle::new((it.at[0], it.at[1]), 5, ENSEMBLE.stroke_width(1))),
    )?;
    chart.draw_series(
        within(Role::Beyond).iter().map(|it| Circle::new((it.at[0], it.at[1]), 3, BEYOND.filled())),
    )?;
    for spot in soups.iter().chain(&of(spots, Role::Morl)) {
        let ([x, y], [a, b]) = (spot.at, spot.error);
        let bars = [vec![(x - a, y), (x + a, y)], vec![(x, y - b), (x, y + b)]];
        chart.draw_series(bars.map(|bar| PathElement::new(bar, CHORD.mix(0.7))))?;
    }
    chart.draw_series(
        of(spots, Role::Morl)
            .iter()
            .map(|it| TriangleMarker::new((it.at[0], it.at[1]), 6, MORL.filled())),
    )?;
    chart
        .draw_series(soups.iter().map(|it| Circle::new((it.at[0], it.at[1]), 4, SOUP.filled())))?;
    chart.draw_series(
        of(spots, Role::Base)
            .iter()
            .map(|it| Cross::new((it.at[0], it.at[1]), 5, BASE.stroke_width(2))),
    )?;
    Ok(())
}

fn path(
    chart: &mut Panel,
    spots: &[Spot],
    color: RGBColor,
) -> Result<(), Box<dyn std::error::Error>> {
    let points = spots.iter().map(|it| (it.at[0], it.at[1]));
    chart.draw_series(LineSeries::new(points, color.mix(0.5)))?;
    Ok(())
}

/// The part of a straight line that lies inside; nothing where none does.
fn clipped([from, to]: [[f64; 2]; 2], sides: &[&Range<f64>; 2]) -> Option<[[f64; 2]; 2]> {
    let (mut first, mut last) = (0.0f64, 1.0f64);
    for (axis, side) in sides.iter().enumerate() {
        let step = to[axis] - from[axis];
        let [low, high] = [side.start, side.end].map(|edge| (edge - from[axis]) / step);
        match step {
            0.0 if !side.contains(&from[axis]) => return None,
            0.0 => {}
            _ => (first, last) = (first.max(low.min(high)), last.min(low.max(high))),
        }
    }
    let at = |share: f64| [0, 1].map(|axis| from[axis] + share * (to[axis] - from[axis]));
    (first < last).then(|| [at(first), at(last)])
}

/// With room at both ends; what lies far outside (controls that broke) is cut off.
fn range(spots: &[Spot], axis: usize) -> Range<f64> {
    let values = spots.iter().map(|it| it.at[axis]);
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return 0.0..1.0;
    }
    let room = (high - low).max(1e-6) * 0.18;
    low - room..high + room
}

fn legend_of(area: &Area) -> Result<(), Box<dyn std::error::Error>> {
    let entries = [
        ("● soups", SOUP),
        ("▲ MORL", MORL),
        ("○ prediction averaging", ENSEMBLE),
        ("• λ outside [0, 1]", BEYOND),
        ("✕ other base (leaves the picture)", CONTROL),
        ("✕ base", BASE),
        ("┄ chord", CHORD),
    ];
    let mut x = 16;
    for (text, color) in entries {
        let style = ("sans-serif", 13).into_font().color(&color);
        area.draw_text(text, &style, (x, 12))?;
        x += 18 + 6 * text.chars().count() as i32;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_it_leaves_the_picture() {
        let sides = [&(0.0..1.0), &(0.0..2.0)];
        let cut = |from, to| clipped([from, to], &sides);
        assert_eq!(cut([0.5, 1.0], [0.5, -3.0]), Some([[0.5, 1.0], [0.5, 0.0]]));
        assert_eq!(cut([-1.0, 1.0], [3.0, 1.0]), Some([[0.0, 1.0], [1.0, 1.0]]));
        assert_eq!(cut([0.2, 0.2], [0.4, 0.4]), Some([[0.2, 0.2], [0.4, 0.4]]));
        assert_eq!(cut([2.0, 0.0], [2.0, 1.0]), None);
        assert_eq!(cut([-1.0, 1.5], [0.5, 3.0]), None);
    }
}
