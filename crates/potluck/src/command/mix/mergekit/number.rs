//! Numbers of a configuration, read digit by digit, and shares that are made of them.

/// A decimal in units of 10⁻¹², which holds what configurations have exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Decimal(i128);

/// Units of one millionth.
const UNITS: i128 = 1_000_000;

impl Decimal {
    /// `0.3`, `-1`, `.5`: at most nine digits before the point and twelve after it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_empty = whole.is_empty() && decimals.is_empty();
        if is_empty || !is_number(whole) || !is_number(decimals) || whole.len() > 9 {
            return None;
        }
        // Zeros at the end say nothing; other digits beyond the twelfth would be lost.
        let decimals = decimals.trim_end_matches('0');
        let units: i128 = (decimals.len() <= 12)
            .then(|| format!("{whole}{decimals:0<12}").parse().ok())
            .flatten()?;
        Some(Self(if is_negative { -units } else { units }))
    }

    /// In parts per million, where it is a whole number of them.
    pub(super) fn ppm(self) -> Option<i64> {
        (self.0 % UNITS == 0).then(|| i64::try_from(self.0 / UNITS).ok()).flatten()
    }

    /// One minus this, where that is between 0 and 1 and a whole number of millionths.
    pub(super) fn rest(self) -> Option<i64> {
        self.ppm().filter(|ppm| (0..=1_000_000).contains(ppm)).map(|ppm| 1_000_000 - ppm)
    }
}

/// Shares of these weights in the whole, in parts per million that sum to a million; and whether any was rounded.
///
/// By the largest remainder: each share is cut to millionths, and those that are missing in the end go to the shares
/// that lost most, the earlier of two that lost as much. `None` where a weight is negative, or all are zero.
pub(super) fn shares(weights: &[Decimal]) -> Option<(Vec<u32>, bool)> {
    let sum: i128 = weights.iter().map(|weight| weight.0).sum();
    if sum <= 0 || weights.iter().any(|weight| weight.0 < 0) {
        return None;
    }
    let cut: Vec<_> = weights.iter().map(|weight| weight.0 * 1_000_000 / sum).collect();
    let lost = |place: &usize| weights[*place].0 * 1_000_000 % sum;
    let mut order: Vec<_> = (0..weights.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(lost(place)));
    let missing = usize::try_from(1_000_000 - cut.iter().sum::<i128>()).ok()?;
    let share = |place: usize| cut[place] + i128::from(order[..missing].contains(&place));
    let shares = (0..weights.len()).map(|place| u32::try_from(share(place)).ok());
    Some((shares.collect::<Option<_>>()?, missing > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn decimals_are_exact() {
        let ppm = |text: &str| Decimal::parse(text).map(Decimal::ppm);
        assert_eq!(ppm("0.3"), Some(Some(300_000)));
        assert_eq!(ppm("-1.0"), Some(Some(-1_000_000)));
        assert_eq!(ppm(".5"), Some(Some(500_000)));
        assert_eq!(ppm("2."), Some(Some(2_000_000)));
        assert_eq!(ppm("0.3333333"), Some(None));
        for text in ["", ".", "-", "1e-3", "0x1", "0.0000000000001", "1234567890", "nan", "+1"] {
            assert_eq!(ppm(text), None, "{text}");
        }
        assert_eq!((decimal("0.3").rest(), decimal("1.5").rest()), (Some(700_000), None));
    }

    #[test]
    fn shares_sum_to_a_million() {
        let of = |weights: &[&str]| {
            shares(&weights.iter().map(|text| decimal(text)).collect::<Vec<_>>())
        };
        assert_eq!(of(&["1", "3"]), Some((vec![250_000, 750_000], false)));
        assert_eq!(of(&["1", "1", "1"]), Some((vec![333_334, 333_333, 333_333], true)));
        assert_eq!(of(&["1", "2", "4"]), Some((vec![142_857, 285_714, 571_429], true)));
        assert_eq!(of(&["0.3", "0.7"]), Some((vec![300_000, 700_000], false)));
        assert_eq!((of(&["0", "0"]), of(&["-1", "3"])), (None, None));
    }
}
