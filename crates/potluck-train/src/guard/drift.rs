//! What becomes of a figure's mean: within its limits, near one, or beyond it.

use super::settings::{CopySettings, RangeSettings, ShareSettings};
use super::track::Track;

/// How a figure stands to its limits.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stand {
    Within,
    /// Half way to a limit, in the words for a person.
    Near(String),
    /// Beyond a limit, in the words for a person.
    Beyond(String),
}

/// Over how many steps means are taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spans {
    pub(super) start: usize,
    pub(super) window: usize,
}

/// Of a ratio to the start.
pub(super) fn of_ratio(track: &Track, spans: Spans, range: &RangeSettings, what: &Words) -> Stand {
    let (Some(start), Some(recent)) = (track.start(spans.start), track.recent(spans.window)) else {
        return Stand::Within;
    };
    if start <= 0.0 {
        return Stand::Within;
    }
    let ratio = recent / start;
    let (key, name, cure) = (what.key, what.name, what.cure);
    let said = |word: &str, limit: f64, side: &str| {
        format!(
            "{name} {word} from {start:.3} at the start to {recent:.3} over the last {} steps, {ratio:.2} times the start (guards.{key}.{side} = {limit}): {cure}",
            spans.window
        )
    };
    // Half way is by factors: from 1 to 4 it is 2.
    if ratio < range.least {
        Stand::Beyond(said("fell", range.least, "least"))
    } else if ratio > range.most {
        Stand::Beyond(said("rose", range.most, "most"))
    } else if ratio < range.least.sqrt() {
        Stand::Near(said("fell", range.least, "least"))
    } else if ratio > range.most.sqrt() {
        Stand::Near(said("rose", range.most, "most"))
    } else {
        Stand::Within
    }
}

/// Of a share that must not rise over a limit.
pub(super) fn of_share(track: &Track, spans: Spans, limit: &ShareSettings, what: &Words) -> Stand {
    /// What a share must have risen by: that of the base is nothing that training did.
    const RISE: f64 = 0.25;
    of_rise(track, spans, limit.most, RISE, what)
}

/// Of copies, likewise.
pub(super) fn of_copies(track: &Track, spans: Spans, limit: &CopySettings, what: &Words) -> Stand {
    of_rise(track, spans, limit.most, limit.rise, what)
}

fn of_rise(track: &Track, spans: Spans, most: f64, rise: f64, what: &Words) -> Stand {
    let (Some(start), Some(recent)) = (track.start(spans.start), track.recent(spans.window)) else {
        return Stand::Within;
    };
    let said = || {
        format!(
            "{} rose from {:.0} % at the start to {:.0} % over the last {} steps (guards.{}.most = {most}): {}",
            what.name,
            100.0 * start,
            100.0 * recent,
            spans.window,
            what.key,
            what.cure
        )
    };
    match recent - start >= rise {
        true if recent > most => Stand::Beyond(said()),
        true if recent > most / 2.0 => Stand::Near(said()),
        _ => Stand::Within,
    }
}

/// How a figure is called.
#[derive(Debug)]
pub(super) struct Words {
    /// In the recipe.
    pub(super) key: &'static str,
    /// In a sentence.
    pub(super) name: &'static str,
    /// What can be changed.
    pub(super) cure: &'static str,
}
