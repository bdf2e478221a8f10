//! Numbers that methods take, in parts per million: read digit by digit, so that no float rounds on the way.

use std::str::FromStr;

/// One, in parts per million.
pub(crate) const MILLION: i64 = 1_000_000;

/// Why a number was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is no {what}: a decimal above 0 and up to {most} with at most 6 decimals is expected"
)]
pub struct ShareError {
    what: &'static str,
    text: String,
    most: u32,
}

/// The part of a task vector's elements that is kept: above 0, at most 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Density(u32);

/// What a merged task vector is multiplied by before it is added to the base (the λ of TIES): above 0, at most 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength(u32);

impl Density {
    /// All of it.
    pub const ONE: Self = Self(1_000_000);

    /// From parts per million, 1 to 1 000 000.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn new(ppm: i64) -> Result<Self, ShareError> {
        bounded(ppm, 1, "density").map(Self)
    }

    /// In parts per million.
    pub fn ppm(self) -> u32 {
        self.0
    }
}

impl Strength {
    /// As it is.
    pub const ONE: Self = Self(1_000_000);

    /// From parts per million, 1 to 10 000 000.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn new(ppm: i64) -> Result<Self, ShareError> {
        bounded(ppm, 10, "strength").map(Self)
    }

    /// In parts per million.
    pub fn ppm(self) -> u32 {
        self.0
    }
}

impl FromStr for Density {
    type Err = ShareError;
    fn from_str(text: &str) -> Result<Self, ShareError> {
        parsed(text, 1, "density").map(Self)
    }
}

impl FromStr for Strength {
    type Err = ShareError;
    fn from_str(text: &str) -> Result<Self, ShareError> {
        parsed(text, 10, "strength").map(Self)
    }
}

fn bounded(ppm: i64, most: u32, what: &'static str) -> Result<u32, ShareError> {
    let refused = || ShareError { what, text: format!("{ppm} ppm"), most };
    let within = u32::try_from(ppm).ok().filter(|ppm| (1..=most * 1_000_000).contains(ppm));
    within.ok_or_else(refused)
}

fn parsed(text: &str, most: u32, what: &'static str) -> Result<u32, ShareError> {
    let refused = || ShareError { what, text: text.chars().take(80).collect(), most };
    let ppm = parts_per_million(text).ok_or_else(refused)?;
    bounded(ppm, most, what).map_err(|_| refused())
}

/// A decimal with at most six decimals, as parts per million; or an integer of parts per million, but for −1, 0 and
/// 1, which are the decimals. So [`potluck_core::Lambda`] reads its weights, too.
pub(crate) fn parts_per_million(text: &str) -> Option<i64> {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let (sign, magnitude) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let ppm = match magnitude.split_once('.') {
        Some((whole, decimals)) if digits(whole) && digits(decimals) && decimals.len() <= 6 => {
            let whole: i64 = whole.parse().ok()?;
            let fraction: i64 = format!("{decimals:0<6}").parse().ok()?;
            whole.checked_mul(MILLION)?.checked_add(fraction)?
        }
        None if magnitude == "1" => MILLION,
        None if digits(magnitude) => magnitude.parse().ok()?,
        _ => return None,
    };
    Some(sign * ppm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_and_strengths_have_limits() {
        let density = |text: &str| text.parse::<Density>().ok().map(Density::ppm);
        let strength = |text: &str| text.parse::<Strength>().ok().map(Strength::ppm);
        assert_eq!(
            ["0.2", "1", "1.0", "7"].map(density),
            [200_000, 1_000_000, 1_000_000, 7].map(Some)
        );
        assert_eq!(["0.5", "10.0"].map(strength), [500_000, 10_000_000].map(Some));
        for text in ["0", "0.0", "-0.5", "1.000001", "1000001", "x", "0.1234567", ""] {
            assert_eq!(density(text), None, "{text}");
        }
        assert_eq!(strength("10.000001"), None);
        assert_eq!(
            "2.0".parse::<Density>().unwrap_err().to_string(),
            "'2.0' is no density: a decimal above 0 and up to 1 with at most 6 decimals is expected"
        );
    }
}
