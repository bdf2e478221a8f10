//! An animated SVG in which a reader sees λ walk: one lane each, from one end of the front to the other, the camera beside
//! each runner.
//!
//! It needs no script and no player: a browser animates it, also within a page (SMIL). The ground's marks pass by as fast as the
//! runner is, a bar beside it is as long as its effort, and the flags stand where the others are. Everything comes
//! from [`record`]; nothing is smoothed or invented.

use std::fmt::Write as _;

use potluck_train::stream::Stream;

use crate::evaluate::Mover;
use crate::reward::{Scores, scores};
use crate::world::{Bone, Drawn};

/// Pixels of a metre.
const METRE: f64 = 62.0;
/// Width of the picture, in pixels.
const WIDTH: f64 = 760.0;
/// Height of a lane, in pixels, unless who runs there is taller.
const LANE: f64 = 112.0;
/// Where the runner's start is in its lane, and where the ground is above the lane's end.
const RUNNER: f64 = 330.0;
const GROUND: f64 = 20.0;
/// A mark on the ground every so many metres.
const MARK: f64 = 2.0;
/// Above the lanes.
const HEAD: f64 = 44.0;

/// What a runner did.
#[derive(Debug, Clone)]
pub struct Take {
    /// How it is called in the picture.
    pub title: String,
    /// The bones at each moment.
    pub bones: Vec<Vec<Bone>>,
    /// How far it had come.
    pub distance: Vec<f64>,
    /// The effort of each step.
    pub effort: Vec<f64>,
    /// The means of both rewards.
    pub scores: Scores,
    /// The mean velocity, in metres a second.
    pub speed: f64,
    /// Seconds between two moments.
    pub seconds: f64,
}

/// Films `steps` steps of an episode, after `skip` steps of run-up.
pub fn record<W: Drawn>(
    mut world: W,
    mover: &Mover<'_>,
    title: &str,
    (seed, skip, steps): (u64, usize, usize),
) -> Take {
    world.begin(&mut Stream::of("locomotion film", &[seed]));
    let mut take = Take {
        title: title.to_owned(),
        bones: Vec::new(),
        distance: Vec::new(),
        effort: Vec::new(),
        scores: [0.0; 2],
        speed: 0.0,
        seconds: world.seconds(),
    };
    let mut raw = vec![0.0; world.observations()];
    for step in 0..skip + steps {
        world.observe(&mut raw);
        let moved = world.act(&mover.actions(&raw));
        if moved.is_broken || moved.is_over {
            break;
        }
        if step >= skip {
            take.bones.push(world.bones());
            take.distance.push(world.distance());
            take.effort.push(moved.effort);
            take.speed += moved.velocity / steps as f64;
            let scores = scores(&moved);
            take.scores.iter_mut().zip(scores).for_each(|(sum, it)| *sum += it / steps as f64);
        }
    }
    take
}

/// The picture of all takes, one above the other, in one rhythm.
pub fn svg(title: &str, takes: &[Take]) -> String {
    let each = lane_height(takes);
    let height = HEAD + each * takes.len() as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n",
        WIDTH
    );
    text += STYLE;
    let _ = writeln!(text, "<rect class=\"page\" width=\"{}\" height=\"{height}\"/>", WIDTH);
    let _ = writeln!(text, "<text x=\"14\" y=\"26\" font-size=\"15\">{}</text>", escaped(title));
    for (number, take) in takes.iter().enumerate() {
        let top = HEAD + each * number as f64;
        lane(&mut text, (top, each), take);
    }
    text + "</svg>\n"
}

/// One for all, so that the tallest moment of any has its place.
fn lane_height(takes: &[Take]) -> f64 {
    let bones = takes.iter().flat_map(|take| take.bones.iter().flatten());
    let tops = bones.map(|it| it.ends[0][1].max(it.ends[1][1]) + it.radius);
    let tallest = tops.fold(0.0, f64::max);
    LANE.max((tallest * METRE + GROUND + 6.0).round())
}

/// Colours for light and for dark pages.
const STYLE: &str = "<style>
.page { fill: #ffffff } text { fill: #222222 } .ground { stroke: #888888; stroke-width: 2 } .mark { stroke: #bbbbbb; stroke-width: 2 }
.bone { stroke: #1f6fb4; stroke-linecap: round } .far { stroke: #7fb2dd } .effort { fill: #d95f02 } .small { font-size: 11px }
@media (prefers-color-scheme: dark) {
.page { fill: #14171a } text { fill: #e6e6e6 } .ground { stroke: #777777 } .mark { stroke: #4a4f55 }
.bone { stroke: #5aa7e6 } .far { stroke: #2f6797 } .effort { fill: #f08a3c } }
</style>
";

fn lane(text: &mut String, (top, height): (f64, f64), take: &Take) {
    let length = take.seconds * take.distance.len() as f64;
    let ground = height - GROUND;
    let _ = writeln!(text, "<svg x=\"0\" y=\"{top}\" width=\"{WIDTH}\" height=\"{height}\">");
    let _ = writeln!(text, "<text x=\"14\" y=\"20\">{}</text>", escaped(&take.title));
    let effort = take.effort.iter().sum::<f64>() / take.effort.len().max(1) as f64;
    let _ = writeln!(
        text,
        "<text class=\"small\" x=\"14\" y=\"38\">{:.2} m/s</text><text class=\"small\" x=\"14\" y=\"54\">effort {effort:.2}</text>",
        take.speed
    );
    let _ = writeln!(
        text,
        "<line class=\"ground\" x1=\"0\" x2=\"{}\" y1=\"{ground}\" y2=\"{ground}\"/>",
        WIDTH
    );
    marks(text, take, length, ground);
    let widths = take.effort.iter().map(|it| format!("{:.0}", it * 18.0));
    let _ = write!(text, "<rect class=\"effort\" x=\"14\" y=\"62\" height=\"7\" width=\"0\">");
    animate(text, "width", length, widths);
    text.push_str("</rect>\n");
    let first = take.bones.first().map_or(&[][..], Vec::as_slice);
    let (far, near): (Vec<_>, Vec<_>) = (0..first.len()).partition(|bone| first[*bone].is_far);
    // The farther side lies behind.
    for bone in far.into_iter().chain(near) {
        let class = if first[bone].is_far { "bone far" } else { "bone" };
        let width = first[bone].radius * 2.0 * METRE;
        let _ = write!(text, "<line class=\"{class}\" stroke-width=\"{width:.1}\">");
        let camera = &take.distance;
        for (name, end, axis) in [("x1", 0, 0), ("y1", 0, 1), ("x2", 1, 0), ("y2", 1, 1)] {
            let place = |(bones, at): (&Vec<Bone>, &f64)| {
                let it = bones[bone].ends[end][axis];
                match axis {
                    0 => format!("{:.0}", RUNNER + (it - at) * METRE),
                    _ => format!("{:.0}", ground - it * METRE),
                }
            };
            animate(text, name, length, take.bones.iter().zip(camera).map(place));
        }
        text.push_str("</line>\n");
    }
    text.push_str("</svg>\n");
}

/// Marks on the ground, which pass the runner.
fn marks(text: &mut String, take: &Take, length: f64, ground: f64) {
    let first = take.distance.first().copied().unwrap_or_default();
    let last = take.distance.last().copied().unwrap_or_default();
    text.push_str("<g>");
    let (from, to) = (first - RUNNER / METRE, last + (WIDTH - RUNNER) / METRE);
    let mut at = (from / MARK).ceil() * MARK;
    while at <= to {
        let x = RUNNER + (at - first) * METRE;
        let _ = write!(
            text,
            "<line class=\"mark\" x1=\"{x:.0}\" x2=\"{x:.0}\" y1=\"{ground}\" y2=\"{:.0}\"/>",
            ground + 7.0
        );
        if at.rem_euclid(10.0) < 1e-9 {
            let y = ground + 17.0;
            let _ = write!(
                text,
                "<text class=\"small\" x=\"{:.0}\" y=\"{y}\">{:.0} m</text>",
                x + 3.0,
                // Minus zero is none.
                at + 0.0
            );
        }
        at += MARK;
    }
    let shifts = take.distance.iter().map(|at| format!("{:.0} 0", (first - at) * METRE));
    let values = shifts.collect::<Vec<_>>().join(";");
    let _ = writeln!(
        text,
        "<animateTransform attributeName=\"transform\" type=\"translate\" dur=\"{length:.2}s\" repeatCount=\"indefinite\" values=\"{values}\"/></g>"
    );
}

fn animate(text: &mut String, name: &str, length: f64, values: impl Iterator<Item = String>) {
    let values = values.collect::<Vec<_>>().join(";");
    let _ = write!(
        text,
        "<animate attributeName=\"{name}\" dur=\"{length:.2}s\" repeatCount=\"indefinite\" values=\"{values}\"/>"
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_shows_what_was_recorded() {
        let bone = |x: f64| Bone { ends: [[x, 0.5], [x + 1.0, 0.5]], radius: 0.05, is_far: false };
        let take = Take {
            title: "λ = 0.5 <&>".into(),
            bones: vec![vec![bone(0.0)], vec![bone(0.3)]],
            distance: vec![0.0, 0.2],
            effort: vec![1.0, 2.0],
            scores: [5.0, 1.0],
            speed: 4.0,
            seconds: 0.05,
        };
        let text = svg("two", &[take.clone(), take]);
        assert_eq!(text.matches("class=\"bone\"").count(), 2);
        // In the camera the second moment is a tenth of a metre ahead.
        assert!(text.contains("values=\"330;336\""), "{text}");
        assert!(text.contains("λ = 0.5 &lt;&amp;>") && text.contains("4.00 m/s"));
        assert!(text.contains("effort 1.50") && text.contains("values=\"18;36\""));
        assert!(text.contains("dur=\"0.10s\"") && text.ends_with("</svg>\n"));
    }
}
