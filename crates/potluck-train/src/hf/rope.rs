//! Rotary positions: both dialects of their settings, and the frequencies that follow.
//!
//! ```text
//! transformers 4: "rope_theta": 1e4, "rope_scaling": {"rope_type": "llama3", "factor": 8, …}
//! transformers 5: "rope_parameters": {"rope_theta": 1e4, "rope_type": "llama3", "factor": 8, …}
//! ```
//!
//! Frequencies are computed in F32 by libtorch, as `transformers` computes them: at position 10 000
//! a last bit that differs is a thousandth of a turn.

use serde_json::json;
use tch::{Device, Kind, Tensor};

use super::settings::{ConfigError, Settings};

/// The largest base of frequencies; long-context models go to some 10⁸.
const MAX_THETA: f64 = 1e12;
/// The largest factor by which a context is stretched.
const MAX_FACTOR: f64 = 1e6;

/// How positions turn queries and keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// The base of the frequencies.
    pub theta: f64,
    /// How many of a head's numbers are turned: the first ones; even.
    pub width: i64,
    /// How frequencies are stretched.
    pub scaling: Scaling,
}

/// How frequencies are stretched for a longer context.
#[derive(Debug, Clone, PartialEq)]
pub enum Scaling {
    /// They are not.
    Default,
    /// All by one factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Llama 3: slow ones by the factor, fast ones not, and a passage between.
    Llama3 {
        /// The factor of the slow ones.
        factor: f64,
        /// Slow is what turns fewer times than this in the original context.
        low: f64,
        /// Fast is what turns more times than this.
        high: f64,
        /// The original context in tokens.
        context: f64,
    },
}

/// The keys of one family in the older dialect; several mean the same.
pub(super) struct RopeKeys {
    /// The base of the frequencies.
    pub(super) theta: &'static [&'static str],
    /// The turned part of a head, where the family has one.
    pub(super) part: &'static [&'static str],
}

/// Most families have these.
pub(super) const USUAL: RopeKeys = RopeKeys { theta: &["rope_theta"], part: &[] };

impl Rope {
    /// Reads either dialect; `base` and `part` are what the family takes where the file is silent.
    pub(super) fn read(
        settings: &Settings,
        keys: &RopeKeys,
        head_width: i64,
        (base, part): (f64, f64),
    ) -> Result<Self, ConfigError> {
        let newer = settings.object("rope_parameters")?;
        let older = settings.object("rope_scaling")?;
        let mut theta = None;
        for key in keys.theta {
            theta = agreed(settings, key, theta, MAX_THETA)?;
        }
        let mut turned = None;
        for key in keys.part {
            turned = agreed(settings, key, turned, 1.0)?;
        }
        if keys.part.is_empty() {
            settings.only("partial_rotary_factor", &json!(1))?;
            turned = Some(1.0);
        }
        if let Some(newer) = &newer {
            theta = agreed(newer, "rope_theta", theta, MAX_THETA)?;
            turned = agreed(newer, "partial_rotary_factor", turned, 1.0)?;
        }
        let scaling = match (newer, older) {
            (Some(newer), Some(older)) => {
                let (newer, older) = (Scaling::read(&newer)?, Scaling::read(&older)?);
                if newer != older {
                    return Err(settings.refused("rope_scaling", "what rope_parameters says"));
                }
                newer
            }
            (Some(either), None) | (None, Some(either)) => Scaling::read(&either)?,
            (None, None) => Scaling::Default,
        };
        let width = (head_width as f64 * turned.unwrap_or(part)) as i64;
        if width < 2 || width % 2 != 0 {
            return Err(ConfigError::Refused {
                key: keys.part.first().unwrap_or(&"head_dim").to_string(),
                expected: "such that an even number of a head's elements is turned".to_owned(),
                found: width.to_string(),
            });
        }
        Ok(Self { theta: theta.unwrap_or(base), width, scaling })
    }

    /// The angle by which each pair turns from one position to the next, `[width / 2]`.
    pub fn frequencies(&self) -> Tensor {
        let options = (Kind::Float, Device::Cpu);
        let even = Tensor::arange_start_step(0, self.width, 2, options) / self.width as f64;
        let plain = Tensor::from(self.theta as f32).pow(&even).reciprocal();
        match self.scaling {
            Scaling::Default => plain,
            Scaling::Linear { factor } => plain / factor,
            Scaling::Llama3 { factor, low, high, context } => {
                let wave = plain.reciprocal() * std::f64::consts::TAU;
                let slow = wave.gt(context / low);
                let between = wave.ge(context / high).logical_and(&slow.logical_not());
                let smooth = (wave.reciprocal() * context - low) / (high - low);
                let passage: Tensor = (1.0 - &smooth) * &plain / factor + &smooth * &plain;
                let ends = (&plain / factor).where_self(&slow, &plain);
                passage.where_self(&between, &ends)
            }
        }
    }
}

/// The number under `key`, or the `earlier` one, which it must not contradict.
fn agreed(
    settings: &Settings,
    key: &str,
    earlier: Option<f64>,
    most: f64,
) -> Result<Option<f64>, ConfigError> {
    match (settings.number(key, most)?, earlier) {
        (Some(found), Some(earlier)) if found != earlier => {
            Err(settings.refused(key, &format!("{earlier}")))
        }
        (found, earlier) => Ok(found.or(earlier)),
    }
}

impl Scaling {
    fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let factor = || settings.needed_number("factor", MAX_FACTOR);
        let kind = settings.word("rope_type")?;
        let (key, kind) = match kind {
            Some(kind) => ("rope_type", Some(kind)),
            None => ("type", settings.word("type")?),
        };
        match kind {
            None | Some("default") => Ok(Self::Default),
            Some("linear") => Ok(Self::Linear { factor: factor()? }),
            Some("llama3") => {
                let number = |key| settings.needed_number(key, MAX_FACTOR);
                let (low, high) = (number("low_freq_factor")?, number("high_freq_factor")?);
                if high <= low {
                    return Err(settings.refused("high_freq_factor", "above low_freq_factor"));
                }
                let context =
                    settings.needed_size("original_max_position_embeddings", 1 << 30)? as f64;
                Ok(Self::Llama3 { factor: factor()?, low, high, context })
            }
            Some(_) => Err(settings.refused(key, "default, linear or llama3")),
        }
    }
}
