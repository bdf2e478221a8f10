//! The scores of a batch as a picture: what each candidate gains its party over no deal, with two standard errors.

use std::fmt::Write as _;

use super::batch::{Open, Scored};

const ROW: f64 = 26.0;
const LEFT: f64 = 70.0;
const WIDTH: f64 = 420.0;
const TOP: f64 = 56.0;

/// One bar a candidate, from no deal to its gain. Stands alone: no style sheet, no script, no font of its own.
pub(super) fn svg(open: &Open<'_>, scored: &[Scored<'_>]) -> String {
    let ends = scored.iter().flat_map(|it| {
        let (mean, spread) = (it.gain.mean, 2.0 * it.gain.error);
        [mean - spread, mean + spread]
    });
    let (low, high) =
        ends.fold((0.0, 0.0), |(low, high): (f64, f64), it| (low.min(it), high.max(it)));
    let range = if high > low { high - low } else { 1.0 };
    let x = |value: f64| LEFT + (value - low) / range * WIDTH;
    #[expect(clippy::cast_precision_loss, reason = "some dozens of candidates")]
    let height = TOP + ROW * scored.len() as f64 + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"760\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\">Round {}, batch {}: gain over no deal, ± 2 standard errors</text>\n",
        open.round.number, open.number
    );
    let zero = x(0.0);
    let _ = writeln!(
        svg,
        "<line x1=\"{zero:.1}\" y1=\"{:.1}\" x2=\"{zero:.1}\" y2=\"{:.1}\" stroke=\"#555\"/>",
        TOP - 8.0,
        height - 24.0
    );
    for (place, it) in (0u32..).zip(scored) {
        let middle = TOP + ROW * (f64::from(place) + 0.5);
        let (from, to) = (zero.min(x(it.gain.mean)), zero.max(x(it.gain.mean)));
        let colour = if it.gain.mean > 0.0 { "#0a7d6c" } else { "#b3423a" };
        let spread = 2.0 * it.gain.error;
        let _ = writeln!(
            svg,
            "<text x=\"16\" y=\"{:.1}\">{}</text>\
             <rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" fill=\"{colour}\"/>\
             <line x1=\"{:.1}\" y1=\"{middle:.1}\" x2=\"{:.1}\" y2=\"{middle:.1}\" stroke=\"#222\" stroke-width=\"1.5\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\">{}</text>",
            middle + 4.0,
            it.number + 1,
            middle - 6.0,
            to - from,
            x(it.gain.mean - spread),
            x(it.gain.mean + spread),
            LEFT + WIDTH + 14.0,
            middle + 4.0,
            it.lambda
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{zero:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\">no deal</text>\n</svg>",
        height - 8.0
    );
    svg
}
