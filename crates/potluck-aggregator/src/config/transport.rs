//! How the server uses its line: the table `[transport]`.

use potluck_net::{Congestion, NoWindow, Tuning, Window};
use serde::{Deserialize, Deserializer};

/// What of the transport depends on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Transport {
    /// How much of one stream may be under way.
    #[serde(rename = "window_mib", deserialize_with = "window")]
    pub window: Window,
    /// By which rule the server sends.
    pub congestion: Rule,
}

/// By which rule the server sends; see [`Congestion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// [`Congestion::Cubic`].
    #[default]
    Cubic,
    /// [`Congestion::Bbr`].
    Bbr,
}

impl Transport {
    /// For the network room.
    pub fn tuning(&self) -> Tuning {
        let congestion = match self.congestion {
            Rule::Cubic => Congestion::Cubic,
            Rule::Bbr => Congestion::Bbr,
        };
        Tuning { window: self.window, congestion }
    }
}

fn window<'de, D: Deserializer<'de>>(from: D) -> Result<Window, D::Error> {
    let mebibytes = u32::deserialize(from)?;
    Window::mebibytes(mebibytes).map_err(|error: NoWindow| serde::de::Error::custom(error))
}
