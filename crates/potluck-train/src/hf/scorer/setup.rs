//! What a scorer's `config.json` says: which body, which class, and which labels.

use serde_json::{Map, Value, json};
use tch::Tensor;

use crate::model::TensorSpec;

use super::super::architecture::Architecture;
use super::super::decoder::Decoder;
use super::super::encoder::{self, Encoder, Shape};
use super::super::families;
use super::super::plan::Plan;
use super::super::settings::{self, ConfigError, Settings};
use super::{Body, SCORE};

/// The most labels; each has a row of the head.
const MOST_LABELS: i64 = 1 << 16;

/// A scorer whose every setting is known and within bounds.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) kind: Kind,
    pub(super) labels: Vec<String>,
    /// The spread of what is drawn for a new head.
    pub(super) spread: f64,
}

/// The body, before it has weights.
#[derive(Debug)]
pub(super) enum Kind {
    Decoder { architecture: Architecture, plan: Plan, pad: Option<i64> },
    Encoder { shape: Shape, plan: encoder::Plan },
}

impl Setup {
    pub(super) fn parse(config: &[u8]) -> Result<Self, ConfigError> {
        let mut object = settings::parse(config)?;
        let settings = Settings::new(&object);
        if let Some(name) = settings.word("model_type")?
            && let Some(class) = class(name)
        {
            settings.only("architectures", &json!([class]))?;
        }
        let labels = labels(&settings)?;
        let spread = settings.number("initializer_range", 1.0)?.unwrap_or(0.02);
        let is_encoder = settings.word("model_type")?.is_some_and(encoder::is_encoder);
        for key in ["quantization_config", "auto_map"] {
            settings.only(key, &Value::Null)?;
        }
        let kind = if is_encoder {
            let shape = Shape::read(&settings)?;
            let plan = encoder::Plan::of(&shape, labels.len() as i64);
            Kind::Encoder { shape, plan }
        } else {
            // All but the class is as in the model that writes.
            object.remove("architectures");
            decoder(&object)?
        };
        Ok(Self { kind, labels, spread })
    }

    /// Every tensor with the name that `transformers` gives it.
    pub(super) fn specs(&self) -> Vec<TensorSpec> {
        match &self.kind {
            Kind::Encoder { plan, .. } => plan.tensors.clone(),
            Kind::Decoder { architecture, plan, .. } => {
                let shape = vec![self.labels.len() as i64, architecture.hidden];
                let head = TensorSpec { name: SCORE.to_owned(), shape };
                plan.tensors().iter().cloned().chain([head]).collect()
            }
        }
    }

    /// The body of `weights`, which fit [`Self::specs`].
    pub(super) fn body(&self, mut weights: Vec<Tensor>) -> Body {
        match &self.kind {
            Kind::Decoder { architecture, plan, pad } => {
                let head = weights.pop().expect("the head is the last of the specs");
                let decoder = Decoder::new(architecture.clone(), plan.clone(), weights);
                Body::Decoder { decoder: Box::new(decoder), head, pad: *pad }
            }
            Kind::Encoder { shape, plan } => {
                let encoder = Encoder::new(shape.clone(), plan.clone(), weights);
                Body::Encoder(Box::new(encoder))
            }
        }
    }

    /// The longest text in tokens. Rotary positions have no end, but the model was not trained
    /// beyond what it says.
    pub(super) fn longest(&self) -> i64 {
        match &self.kind {
            Kind::Decoder { architecture, .. } => architecture.positions,
            Kind::Encoder { shape, .. } => shape.longest(),
        }
    }

    pub(super) fn vocabulary(&self) -> i64 {
        match &self.kind {
            Kind::Decoder { architecture, .. } => architecture.vocabulary,
            Kind::Encoder { shape, .. } => shape.vocabulary(),
        }
    }

    /// How many segments are told apart; none where segments are not looked at.
    /// Whether texts are read by a decoder.
    pub(super) fn is_decoder(&self) -> bool {
        matches!(self.kind, Kind::Decoder { .. })
    }

    pub(super) fn segments(&self) -> Option<i64> {
        match &self.kind {
            Kind::Decoder { .. } => None,
            Kind::Encoder { shape, .. } => shape.segments(),
        }
    }
}

/// What `transformers` calls the scorer of a family.
pub(super) fn class(model_type: &str) -> Option<&'static str> {
    Some(match model_type {
        "llama" => "LlamaForSequenceClassification",
        "mistral" => "MistralForSequenceClassification",
        "qwen2" => "Qwen2ForSequenceClassification",
        "qwen3" => "Qwen3ForSequenceClassification",
        "gemma2" => "Gemma2ForSequenceClassification",
        "gpt2" => "GPT2ForSequenceClassification",
        "gpt_neox" => "GPTNeoXForSequenceClassification",
        "bert" => "BertForSequenceClassification",
        "roberta" => "RobertaForSequenceClassification",
        "deberta-v2" => "DebertaV2ForSequenceClassification",
        _ => return None,
    })
}

fn decoder(object: &Map<String, Value>) -> Result<Kind, ConfigError> {
    let settings = Settings::new(object);
    let mut architecture = families::read(&settings)?;
    // No map to tokens is computed, so there is no tensor for it either.
    architecture.is_tied = true;
    let absent = if architecture.family == super::super::Family::Gemma2 { Some(0) } else { None };
    let pad = match settings.has("pad_token_id") {
        true => settings.whole("pad_token_id", -1, architecture.vocabulary - 1)?,
        false => absent,
    };
    let plan = Plan::of(&architecture);
    Ok(Kind::Decoder { architecture, plan, pad: pad.filter(|pad| *pad >= 0) })
}

/// The labels' names in order: `transformers` counts `id2label`, else `num_labels`, else two.
fn labels(settings: &Settings) -> Result<Vec<String>, ConfigError> {
    let number = settings.size("num_labels", MOST_LABELS)?;
    let Some(names) = settings.value("id2label") else {
        return Ok((0..number.unwrap_or(2)).map(|it| format!("LABEL_{it}")).collect());
    };
    let expected = "a name for each label, numbered from 0";
    let names = names.as_object().filter(|it| !it.is_empty() && it.len() as i64 <= MOST_LABELS);
    let names = names.ok_or_else(|| settings.refused("id2label", expected))?;
    let labels: Option<Vec<String>> = (0..names.len())
        .map(|it| names.get(&it.to_string()).and_then(Value::as_str).map(str::to_owned))
        .collect();
    let labels = labels.ok_or_else(|| settings.refused("id2label", expected))?;
    match number {
        Some(number) if number != labels.len() as i64 => {
            Err(settings.refused("num_labels", &format!("{}, as in id2label", labels.len())))
        }
        _ => Ok(labels),
    }
}
