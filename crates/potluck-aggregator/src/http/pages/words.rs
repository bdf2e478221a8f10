//! Numbers, times and rules as a committee reads them.

use time::OffsetDateTime;

use super::answers::Mixture;

/// A share, to a tenth of a per cent where that is needed.
pub(super) fn share(ppm: u32) -> String {
    let tenths = (u64::from(ppm) + 500) / 1000;
    match tenths % 10 {
        0 => format!("{} %", tenths / 10),
        rest => format!("{}.{rest} %", tenths / 10),
    }
}

/// A gain, to a tenth of a per cent: scores are not known better.
pub(super) fn gain(ppm: i64) -> String {
    // Half a tenth away from zero.
    let tenths = (ppm.unsigned_abs() + 500) / 1000;
    let sign = if ppm < 0 && tenths > 0 { "−" } else { "" };
    format!("{sign}{}.{} %", tenths / 10, tenths % 10)
}

/// `70 % checkers and 30 % readers`, the largest share first.
pub(super) fn mixture(lambda: &Mixture) -> String {
    let mut shares: Vec<_> = lambda.ppm.iter().filter(|(_, ppm)| **ppm > 0).collect();
    shares.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let shares: Vec<_> =
        shares.into_iter().map(|(party, ppm)| format!("{} {party}", share(*ppm))).collect();
    listed(&shares)
}

/// A list as it is spoken.
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [] => "nobody".to_owned(),
        [only] => only.clone(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

/// So many of something, small numbers in letters.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    const SMALL: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    let word = SMALL.get(number).map_or_else(|| number.to_string(), |word| (*word).to_owned());
    format!("{word} {}", if number == 1 { one } else { many })
}

/// `29 November 2026`.
pub(super) fn day(seconds: u64) -> String {
    moment(seconds).map_or_else(
        || seconds.to_string(),
        |at| format!("{} {} {}", at.day(), at.month(), at.year()),
    )
}

/// `29 November 2026, 09:40 UTC`.
pub(super) fn time(seconds: u64) -> String {
    moment(seconds).map_or_else(
        || seconds.to_string(),
        |at| format!("{}, {:02}:{:02} UTC", day(seconds), at.hour(), at.minute()),
    )
}

fn moment(seconds: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()
}

/// Bytes in the unit that suits them.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// How a round stands.
pub(super) fn round_state(state: &str) -> &'static str {
    match state {
        "committing" => "sealed proposals are being handed in",
        "open" => "proposals are being shown",
        "nominating" => "candidates are being named",
        "scoring" => "candidates are being scored, under seal",
        "showing" => "scores are being shown",
        "ratifying" => "the agreement waits for ratification",
        "late" => "a deadline is over: somebody has to close it",
        "agreed" => "agreed; its soup is still to be published",
        "published" => "agreed, and its soup is published",
        "void" => "void: it led to nothing",
        _ => "under way",
    }
}

/// The class by which a round's state is coloured.
pub(super) fn round_class(state: &str) -> &'static str {
    match state {
        "published" => "good",
        "void" | "late" => "bad",
        _ => "wait",
    }
}

/// How an agreement stands.
pub(super) fn standing(standing: &str) -> (&'static str, &'static str) {
    match standing {
        "in_force" => ("good", "in force"),
        "unratified" => ("wait", "not ratified yet"),
        "unpublished" => ("wait", "its soup is not published yet"),
        "expired" => ("bad", "its time is over"),
        "withdrawn" => ("bad", "a party took its expert back"),
        "replaced" => ("bad", "a later one took its place"),
        _ => ("bad", "not ratified"),
    }
}

/// What a rule does.
pub(super) fn rule(rule: &str) -> &'static str {
    match rule {
        "mean" => "the mean of the proposals, by weight",
        "independent_markets" => "independent markets, which reward nobody for a false proposal",
        "ladder" => "the ladder, which rewards nobody for a false proposal",
        "nash" => {
            "Nash's bargain: the largest product of all gains, each to the power of its party's weight"
        }
        "leximin" => "leximin: the best for whoever gains least, then for the next",
        "utilitarian" => "the largest sum of gains, by weight",
        "alpha_half" => "the largest sum of the gains' square roots, by weight",
        "alpha_two" => "the least sum of one over the gains, by weight",
        "alpha_sixteen" => "very nearly the best for whoever gains least",
        _ => "the charter's rule",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_they_are_spoken() {
        let mixture_of = |ppm: &[(&str, u32)]| Mixture {
            text: String::new(),
            ppm: ppm.iter().map(|(party, ppm)| ((*party).to_owned(), *ppm)).collect(),
        };
        let two = mixture_of(&[("checkers", 700_000), ("readers", 300_000), ("agency", 0)]);
        assert_eq!(mixture(&two), "70 % checkers and 30 % readers");
        let three = mixture_of(&[("a", 333_333), ("b", 333_333), ("c", 333_334)]);
        assert_eq!(mixture(&three), "33.3 % c, 33.3 % a and 33.3 % b");
        assert_eq!(
            (gain(-400), gain(-55_500), gain(1_000_000)),
            ("0.0 %".into(), "−5.6 %".into(), "100.0 %".into())
        );
        assert_eq!(time(1_795_945_200), "29 November 2026, 09:40 UTC");
        assert_eq!((bytes(999), bytes(1_234_567)), ("999 bytes".into(), "1.2 MB".into()));
        assert_eq!(count(1, "party", "parties"), "one party");
    }
}
