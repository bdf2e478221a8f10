//! The front as a picture: one panel an edge, drawn as SVG for the README and as text for the terminal.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::front::{Point, along, edges};

const PANEL: (u32, u32) = (420, 400);
const SOUP: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const CHORD: RGBColor = RGBColor(0x99, 0x99, 0x99);
const BASE: RGBColor = RGBColor(0x33, 0x33, 0x33);
const CENTRE: RGBColor = RGBColor(0xd9, 0x5f, 0x02);

/// From a point to the corner of its label, in pixels: beside it, below it, and below it to the left. The
/// front lies above the chord, so there is room below the experts.
const BESIDE: (i32, i32) = (8, -16);
const BELOW: (i32, i32) = (-8, 8);
const BELOW_LEFT: (i32, i32) = (-54, 8);

type Panel<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws every edge's front beside the others.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn svg(path: &Path, parties: &[&str], points: &[Point], base: &Point) -> Result<()> {
    let edges = edges(parties);
    let size = (PANEL.0 * edges.len() as u32, PANEL.1);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    for (cell, edge) in area.split_evenly((1, edges.len())).into_iter().zip(edges) {
        panel(&cell, edge, points, base).map_err(|error| anyhow!("{error}"))?;
    }
    area.present()?;
    Ok(())
}

fn panel(
    cell: &DrawingArea<SVGBackend, plotters::coord::Shift>,
    edge: (&str, &str),
    points: &[Point],
    base: &Point,
) -> Result<()> {
    let soups = along(points, edge);
    let centre = points.last().expect("the centre always stands last");
    let shown: Vec<&Point> = soups.iter().copied().chain([base, centre]).collect();
    let mut chart = ChartBuilder::on(cell)
        .caption(format!("{} and {}", edge.0, edge.1), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(56)
        .build_cartesian_2d(range(&shown, edge.0), range(&shown, edge.1))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(6)
        .y_labels(6)
        .x_desc(format!("reward of {}", edge.0))
        .y_desc(format!("reward of {}", edge.1))
        .draw()?;
    draw_chord(&mut chart, &soups, edge)?;
    draw_soups(&mut chart, &soups, edge)?;
    let at = |point: &Point| (point.scores[edge.0], point.scores[edge.1]);
    chart.draw_series([Cross::new(at(base), 5, BASE.stroke_width(2))])?;
    draw_label(&mut chart, at(base), BESIDE, ("base", BASE))?;
    chart.draw_series([TriangleMarker::new(at(centre), 6, CENTRE.filled())])?;
    draw_label(&mut chart, at(centre), BESIDE, ("equal λ", CENTRE))
}

fn draw_chord(chart: &mut Panel, soups: &[&Point], edge: (&str, &str)) -> Result<()> {
    let ends = [soups.first(), soups.last()].into_iter().flatten();
    let ends: Vec<_> = ends.map(|point| (point.scores[edge.0], point.scores[edge.1])).collect();
    chart.draw_series(DashedLineSeries::new(ends, 5, 4, CHORD.stroke_width(1)))?;
    Ok(())
}

/// The soups with their standard errors, joined in the order of λ.
fn draw_soups(chart: &mut Panel, soups: &[&Point], edge: (&str, &str)) -> Result<()> {
    let at = |point: &Point| (point.scores[edge.0], point.scores[edge.1]);
    chart.draw_series(LineSeries::new(soups.iter().map(|p| at(p)), SOUP.mix(0.5)))?;
    for point in soups {
        let ((x, y), (sx, sy)) = (at(point), (point.se[edge.0], point.se[edge.1]));
        let bars = [vec![(x - sx, y), (x + sx, y)], vec![(x, y - sy), (x, y + sy)]];
        chart.draw_series(bars.map(|bar| PathElement::new(bar, SOUP.mix(0.6))))?;
    }
    chart.draw_series(soups.iter().map(|p| Circle::new(at(p), 4, SOUP.filled())))?;
    let ends = [(soups.first(), edge.0, BELOW_LEFT), (soups.last(), edge.1, BELOW)];
    for (point, party, offset) in ends {
        let Some(point) = point else { continue };
        draw_label(chart, at(point), offset, (party, SOUP))?;
    }
    Ok(())
}

/// A text near a point, clear of its marker.
fn draw_label(
    chart: &mut Panel,
    at: (f64, f64),
    offset: (i32, i32),
    (text, color): (&str, RGBColor),
) -> Result<()> {
    let style = ("sans-serif", 13).into_font().color(&color);
    let label = EmptyElement::at(at) + Text::new(text.to_owned(), offset, style);
    chart.draw_series([label])?;
    Ok(())
}

/// The range of one reward over some points, with room at both ends.
fn range(points: &[&Point], party: &str) -> std::ops::Range<f64> {
    let values = points.iter().map(|point| point.scores[party]);
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let room = (high - low).max(1e-6) * 0.15;
    low - room..high + room
}

/// One edge as text: `o` the soups, `.` the chord, `x` the base.
pub(crate) fn text(edge: (&str, &str), points: &[Point], base: &Point) -> String {
    const WIDTH: usize = 56;
    const HEIGHT: usize = 14;
    let soups = along(points, edge);
    let shown: Vec<&Point> = soups.iter().copied().chain([base]).collect();
    let (xs, ys) = (range(&shown, edge.0), range(&shown, edge.1));
    let mut cells = vec![vec![' '; WIDTH]; HEIGHT];
    let mut put = |x: f64, y: f64, mark: char| {
        let column = (x - xs.start) / (xs.end - xs.start) * (WIDTH - 1) as f64;
        let row = (ys.end - y) / (ys.end - ys.start) * (HEIGHT - 1) as f64;
        // Both lie in range by the construction of `xs` and `ys`; the casts round.
        cells[(row.round() as usize).min(HEIGHT - 1)][(column.round() as usize).min(WIDTH - 1)] =
            mark;
    };
    let at = |point: &Point| (point.scores[edge.0], point.scores[edge.1]);
    if let (Some(first), Some(last)) = (soups.first(), soups.last()) {
        let ((ax, ay), (bx, by)) = (at(first), at(last));
        for step in 0..=WIDTH {
            let share = step as f64 / WIDTH as f64;
            put(ax + (bx - ax) * share, ay + (by - ay) * share, '.');
        }
    }
    put(base.scores[edge.0], base.scores[edge.1], 'x');
    for point in &soups {
        put(point.scores[edge.0], point.scores[edge.1], 'o');
    }
    let rows = cells
        .into_iter()
        .map(|row| format!("  │{}", row.into_iter().collect::<String>().trim_end()));
    let rows: Vec<_> = rows.collect();
    format!(
        "  reward of {} (up) against {} (right); o soups, . chord, x base\n{}\n  └{}\n   {:<10.3}{:>46.3}",
        edge.1,
        edge.0,
        rows.join("\n"),
        "─".repeat(WIDTH),
        xs.start,
        xs.end,
    )
}
