//! What an encoder's `config.json` says, once it is checked.

use serde_json::{Value, json};

use super::super::architecture::Activation;
use super::super::families::{
    LONGEST, MOST_HEADS, MOST_LAYERS, MOST_TOKENS, WIDEST, activation, divided,
};
use super::super::settings::{ConfigError, Settings, excerpt};

/// The names and differences of the families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Family {
    Bert,
    Roberta,
    Deberta,
}

/// An encoder whose every setting is known and within bounds.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Shape {
    pub(super) family: Family,
    pub(super) vocabulary: i64,
    pub(super) hidden: i64,
    pub(super) layers: i64,
    pub(super) heads: i64,
    pub(super) feed_forward: i64,
    /// Rows of the table of learned positions, where there is one, else the longest text.
    pub(super) positions: i64,
    pub(super) has_positions: bool,
    /// Kinds of segments; 0 where they are not told apart.
    pub(super) types: i64,
    pub(super) pad: i64,
    pub(super) epsilon: f64,
    pub(super) activation: Activation,
    /// What the pooled state goes through; `None` is tanh.
    pub(super) pooler: Option<Activation>,
    /// How positions enter attention.
    pub(super) relative: Relative,
}

/// DeBERTa's disentangled attention; all of it off is plain attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Relative {
    /// Whether there is a table of relative positions at all.
    pub(super) is_on: bool,
    /// Content looks at positions.
    pub(super) to_position: bool,
    /// Positions look at content.
    pub(super) from_position: bool,
    /// Positions go through the maps of content.
    pub(super) shares_maps: bool,
    /// Whether the table is normed.
    pub(super) is_normed: bool,
    /// Distances beyond half of them share a place by their logarithm; `None` is one place each.
    pub(super) buckets: Option<i64>,
    /// The farthest distance that has a place.
    pub(super) farthest: i64,
}

const NOT_RELATIVE: Relative = Relative {
    is_on: false,
    to_position: false,
    from_position: false,
    shares_maps: false,
    is_normed: false,
    buckets: None,
    farthest: 0,
};

/// Whether a `model_type` is one of an encoder that we know.
pub(in super::super) fn is_encoder(model_type: &str) -> bool {
    matches!(model_type, "bert" | "roberta" | "deberta-v2")
}

impl Shape {
    /// Reads everything but the class and the labels, which are the scorer's.
    pub(in super::super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let name = settings.word("model_type")?.ok_or_else(|| settings.missing("model_type"))?;
        let family = match name {
            "bert" => Family::Bert,
            "roberta" => Family::Roberta,
            "deberta-v2" => Family::Deberta,
            other => return Err(ConfigError::Family(excerpt(other))),
        };
        settings.only("position_embedding_type", &json!("absolute"))?;
        for key in ["is_decoder", "is_encoder_decoder", "add_cross_attention"] {
            settings.only(key, &json!(false))?;
        }
        let hidden = settings.needed_size("hidden_size", WIDEST)?;
        let heads = settings.needed_size("num_attention_heads", MOST_HEADS)?;
        divided(settings, hidden, heads, "num_attention_heads")?;
        let vocabulary = settings.needed_size("vocab_size", MOST_TOKENS)?;
        let positions = settings.needed_size("max_position_embeddings", WIDEST)?;
        let is_deberta = family == Family::Deberta;
        let absent = if is_deberta { 1e-7 } else { 1e-12 };
        let shape = Self {
            family,
            vocabulary,
            hidden,
            heads,
            layers: settings.needed_size("num_hidden_layers", MOST_LAYERS)?,
            feed_forward: settings.needed_size("intermediate_size", 4 * WIDEST)?,
            positions,
            has_positions: !is_deberta || settings.flag("position_biased_input", true)?,
            types: types(settings, family)?,
            pad: pad(settings, family, vocabulary)?,
            epsilon: settings.number("layer_norm_eps", 1.0)?.unwrap_or(absent),
            activation: activation(settings, "hidden_act", "gelu")?,
            pooler: if is_deberta { pooler(settings)? } else { None },
            relative: if is_deberta { relative(settings, positions)? } else { NOT_RELATIVE },
        };
        if is_deberta {
            only_usual(settings, &shape)?;
        }
        match shape.longest() {
            longest if longest < 1 => {
                Err(settings.refused("max_position_embeddings", "above pad_token_id + 1"))
            }
            _ => Ok(shape),
        }
    }

    /// The longest text in tokens. RoBERTa's first position is the one after that of padding.
    pub(in super::super) fn longest(&self) -> i64 {
        match self.family {
            Family::Roberta => self.positions - self.pad - 1,
            _ => self.positions,
        }
    }

    pub(in super::super) fn vocabulary(&self) -> i64 {
        self.vocabulary
    }

    /// How many kinds of segments a text may have; RoBERTa has never more than one.
    pub(in super::super) fn segments(&self) -> Option<i64> {
        (self.family != Family::Roberta && self.types > 0).then_some(self.types)
    }
}

fn types(settings: &Settings, family: Family) -> Result<i64, ConfigError> {
    let (least, absent) = if family == Family::Deberta { (0, 0) } else { (1, 2) };
    Ok(settings.whole("type_vocab_size", least, WIDEST)?.unwrap_or(absent))
}

fn pad(settings: &Settings, family: Family, vocabulary: i64) -> Result<i64, ConfigError> {
    let absent = if family == Family::Roberta { 1 } else { 0 };
    Ok(settings.whole("pad_token_id", 0, vocabulary - 1)?.unwrap_or(absent))
}

fn pooler(settings: &Settings) -> Result<Option<Activation>, ConfigError> {
    match settings.word("pooler_hidden_act")? {
        Some("tanh") => Ok(None),
        _ => activation(settings, "pooler_hidden_act", "gelu").map(Some),
    }
}

/// What DeBERTa has besides, in other sizes than ours: a convolution, narrower embeddings.
fn only_usual(settings: &Settings, shape: &Shape) -> Result<(), ConfigError> {
    settings.only("conv_kernel_size", &json!(0))?;
    settings.only("embedding_size", &json!(shape.hidden))?;
    settings.only("pooler_hidden_size", &json!(shape.hidden))?;
    settings.only("attention_head_size", &json!(shape.hidden / shape.heads))
}

fn relative(settings: &Settings, positions: i64) -> Result<Relative, ConfigError> {
    let (mut to_position, mut from_position) = (false, false);
    for kind in attention_kinds(settings)? {
        match kind.as_str() {
            "c2p" => to_position = true,
            "p2c" => from_position = true,
            _ => return Err(settings.refused("pos_att_type", "c2p, p2c or both")),
        }
    }
    let is_normed = match settings.word("norm_rel_ebd")?.unwrap_or("none") {
        "layer_norm" => true,
        "none" => false,
        _ => return Err(settings.refused("norm_rel_ebd", "layer_norm or none")),
    };
    let farthest = settings.whole("max_relative_positions", -1, LONGEST.min(WIDEST))?;
    let farthest = farthest.filter(|it| *it > 0).unwrap_or(positions);
    let buckets = settings.whole("position_buckets", -1, WIDEST)?.filter(|it| *it > 0);
    // The logarithm of the farthest distance in halves of the buckets is divided by.
    if buckets.is_some_and(|buckets| buckets < 2 || farthest - 1 <= buckets / 2) {
        return Err(settings.refused("position_buckets", "from 2 to twice the positions, or -1"));
    }
    Ok(Relative {
        is_on: settings.flag("relative_attention", false)?,
        to_position,
        from_position,
        shares_maps: settings.flag("share_att_key", false)?,
        is_normed,
        buckets,
        farthest,
    })
}

/// Written as `"p2c|c2p"` or as a list.
fn attention_kinds(settings: &Settings) -> Result<Vec<String>, ConfigError> {
    let refused = || settings.refused("pos_att_type", "c2p, p2c or both");
    match settings.value("pos_att_type") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => {
            Ok(text.to_lowercase().split('|').map(|it| it.trim().to_owned()).collect())
        }
        Some(Value::Array(list)) => {
            list.iter().map(|it| it.as_str().map(str::to_owned).ok_or_else(refused)).collect()
        }
        Some(_) => Err(refused()),
    }
}

impl Relative {
    /// Half of the places of the table.
    pub(super) fn span(&self) -> i64 {
        self.buckets.unwrap_or(self.farthest)
    }

    /// How many products make up a score.
    pub(super) fn parts(&self) -> i64 {
        1 + i64::from(self.to_position) + i64::from(self.from_position)
    }
}
