//! Numbers and rules in plain words.

use potluck_core::charter::{BargainRule, Disagreement, Rule};
use potluck_core::federation::bargain::Reason;

/// A share, exactly.
pub(super) fn share(ppm: u32) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A gain, to a tenth of a per cent: scores are not known better.
pub(super) fn gain(ppm: i64) -> String {
    // Half a tenth away from zero; scores lie within ±10⁹.
    let tenths = (ppm.unsigned_abs() + 500) / 1000;
    let sign = if ppm < 0 && tenths > 0 { "−" } else { "" };
    format!("{sign}{}.{} %", tenths / 10, tenths % 10)
}

/// So many of something.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("one {one}"),
        _ => format!("{number} {many}"),
    }
}

/// A list as it is spoken.
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [] => "nobody".to_owned(),
        [only] => only.clone(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

/// What the charter's rule for bargains looks for.
pub(super) fn bargain(rule: BargainRule) -> &'static str {
    match rule {
        BargainRule::Nash => {
            "the largest product of all gains, each to the power of its party's weight (Nash's bargain)"
        }
        BargainRule::Leximin => {
            "the best for whoever gains least, then for the next, and so on; weights do not count (leximin)"
        }
        BargainRule::Utilitarian => "the largest sum of gains, by weight (utilitarian)",
        BargainRule::AlphaHalf => "the largest sum of the gains' square roots, by weight (α = 1/2)",
        BargainRule::AlphaTwo => "the least sum of one over the gains, by weight (α = 2)",
        BargainRule::AlphaSixteen => {
            "very nearly the best for whoever gains least in absolute terms (α = 16)"
        }
    }
}

/// What the charter's rule for proposals does.
pub(super) fn entitlement(rule: Rule) -> &'static str {
    match rule {
        Rule::Mean => "the mean of the proposals, by weight",
        Rule::IndependentMarkets => "independent markets, which reward nobody for a false proposal",
        Rule::Ladder => "the ladder, which rewards nobody for a false proposal",
        Rule::Utilitarian => "the least sum of distances to the proposals, by weight",
        Rule::PiecewiseUniform => {
            "piecewise uniform phantoms, which reward nobody for a false proposal"
        }
    }
}

/// What gains are counted from.
pub(super) fn disagreement(kind: Disagreement) -> &'static str {
    match kind {
        Disagreement::Base => "what the base is worth to it",
        Disagreement::StatusQuo => {
            "what the soup in force is worth to it, or the base where there is none"
        }
        Disagreement::Reserve => "what it set itself, not below the base, and told nobody",
    }
}

/// Why candidates were out.
pub(super) fn excluded(reason: Reason, number: usize) -> &'static str {
    match (reason, number) {
        (Reason::BelowFloor, _) => "below a party's floor",
        (Reason::AboveCap, _) => "above a party's cap",
        (Reason::NotAccepted, _) => "not accepted by a party",
        (Reason::NoGain, 1) => "that is no gain for a party",
        (Reason::NoGain, _) => "that are no gain for a party",
        (Reason::Struck, _) => "struck by a party's veto",
    }
}

/// The sentence that begins so.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!((share(450_000), share(333_334)), ("45 %".into(), "33.3334 %".into()));
        let gains = [456_789, 0, -49, -120_450, 1_000_000, 999_999].map(gain);
        assert_eq!(gains, ["45.7 %", "0.0 %", "0.0 %", "−12.0 %", "100.0 %", "100.0 %"]);
    }
}
