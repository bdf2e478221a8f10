//! `[traces]`: where spans of requests are sent, and how many of them.

use serde::Deserialize;
use serde::de::Error as _;

use crate::url::PlainUrl;

/// Where traces go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// A collector that speaks OTLP over HTTP; `/v1/traces` is put behind it.
    pub endpoint: String,
    /// Which share of the requests that come without a decision is traced.
    #[serde(default)]
    pub sample: Share,
    /// By which name the collector knows the server.
    #[serde(default = "service")]
    pub service: String,
}

/// A share of one, in parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(pub u32);

/// All of it.
const WHOLE: u32 = 1_000_000;

impl Default for Share {
    fn default() -> Self {
        Self(WHOLE)
    }
}

impl Share {
    /// As a number from 0 to 1.
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let ratio = f64::deserialize(from)?;
        if !(0.0..=1.0).contains(&ratio) {
            return Err(D::Error::custom(format!("sample is {ratio}; it is a share from 0 to 1")));
        }
        // From 0 to a million, so that nothing is cut but what is below a millionth.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        Ok(Self((ratio * f64::from(WHOLE)).round() as u32))
    }
}

fn service() -> String {
    "potluck-aggregator".to_owned()
}

impl Traces {
    /// Where they are sent.
    pub fn url(&self) -> Option<PlainUrl> {
        self.endpoint.parse().ok()
    }

    /// The first value that cannot be: its key, and what is wrong with it.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        if self.url().is_none() {
            let wrong = format!(
                "is {:?}; a collector's address reads http://host[:port][/path]: https needs a collector on this machine, which sends on",
                self.endpoint
            );
            return Some(("endpoint", wrong));
        }
        self.service.is_empty().then(|| ("service", "is empty".to_owned()))
    }
}
