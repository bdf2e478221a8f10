//! Names and shapes of an encoder's tensors, and which part of the arithmetic each is.

use crate::model::TensorSpec;

use super::shape::{Family, Shape};

/// Every tensor, and its place in the arithmetic. Numbers are positions in `tensors`.
#[derive(Debug, Clone)]
pub(in super::super) struct Plan {
    pub(in super::super) tensors: Vec<TensorSpec>,
    pub(super) words: usize,
    pub(super) positions: Option<usize>,
    pub(super) types: Option<usize>,
    pub(super) norm: Map,
    /// The table of relative positions, and its norm.
    pub(super) relative: Option<(usize, Option<Map>)>,
    pub(super) layers: Vec<Layer>,
    /// What the first token's state goes through, and what gives the scores.
    pub(super) pooler: Map,
    pub(super) classifier: Map,
}

/// A linear map or a norm: all have a bias.
#[derive(Debug, Clone, Copy)]
pub(super) struct Map {
    pub(super) weight: usize,
    pub(super) bias: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) query: Map,
    pub(super) key: Map,
    pub(super) value: Map,
    /// What keys and queries of positions come from, where it is not the maps above.
    pub(super) position_key: Option<Map>,
    pub(super) position_query: Option<Map>,
    pub(super) out: Map,
    pub(super) after_attention: Map,
    pub(super) up: Map,
    pub(super) down: Map,
    pub(super) after_feed_forward: Map,
}

impl Plan {
    pub(in super::super) fn of(shape: &Shape, labels: i64) -> Self {
        let prefix = prefix(shape.family);
        let mut walk = Walk(Vec::new());
        let (hidden, at) = (shape.hidden, format!("{prefix}embeddings"));
        let table = |walk: &mut Walk, name: &str, rows| {
            walk.tensor(format!("{at}.{name}_embeddings.weight"), &[rows, hidden])
        };
        let words = table(&mut walk, "word", shape.vocabulary);
        let positions = shape.has_positions.then(|| table(&mut walk, "position", shape.positions));
        let types = (shape.types > 0).then(|| table(&mut walk, "token_type", shape.types));
        let norm = walk.norm(format!("{at}.LayerNorm"), hidden);
        let layers =
            (0..shape.layers).map(|it| walk.layer(shape, &format!("{prefix}encoder.layer.{it}")));
        let layers = layers.collect();
        let relative = shape.relative.is_on.then(|| {
            let name = format!("{prefix}encoder.rel_embeddings.weight");
            let table = walk.tensor(name, &[2 * shape.relative.span(), hidden]);
            let is_normed = shape.relative.is_normed;
            (table, is_normed.then(|| walk.norm(format!("{prefix}encoder.LayerNorm"), hidden)))
        });
        let [pooler, classifier] = head_names(shape.family);
        let pooler = walk.linear(pooler.to_owned(), hidden, hidden);
        let classifier = walk.linear(classifier.to_owned(), hidden, labels);
        let tensors = walk.0;
        Self { tensors, words, positions, types, norm, relative, layers, pooler, classifier }
    }
}

fn prefix(family: Family) -> &'static str {
    match family {
        Family::Bert => "bert.",
        Family::Roberta => "roberta.",
        Family::Deberta => "deberta.",
    }
}

fn head_names(family: Family) -> [&'static str; 2] {
    match family {
        Family::Bert => ["bert.pooler.dense", "classifier"],
        Family::Roberta => ["classifier.dense", "classifier.out_proj"],
        Family::Deberta => ["pooler.dense", "classifier"],
    }
}

/// Whether a tensor belongs to the head, which a base need not have.
pub(in super::super) fn is_head(name: &str) -> bool {
    name.starts_with("classifier.") || name.contains("pooler.dense.")
}

/// Other names that files have for the tensor `name`: without the prefix of a base model that was
/// saved alone, and in the words of TensorFlow for what a norm multiplies by and adds.
pub(in super::super) fn other_names(name: &str) -> Vec<String> {
    let bare = ["bert.", "roberta.", "deberta."].iter().find_map(|it| name.strip_prefix(it));
    let mut names: Vec<String> = bare.into_iter().map(str::to_owned).collect();
    for name in [Some(name), bare].into_iter().flatten() {
        if let Some(norm) = name.strip_suffix("LayerNorm.weight") {
            names.push(format!("{norm}LayerNorm.gamma"));
        }
        if let Some(norm) = name.strip_suffix("LayerNorm.bias") {
            names.push(format!("{norm}LayerNorm.beta"));
        }
    }
    names
}

/// Whether files hold a tensor of this name that is none of the arithmetic: numbers of positions,
/// a pooler that RoBERTa's head does not read, positions that DeBERTa-v3 does not add; and in a
/// base whose head is new, the head that it had.
pub(in super::super) fn is_ignored(shape: &Shape, is_new: bool, name: &str) -> bool {
    let bare = name.strip_prefix(prefix(shape.family)).unwrap_or(name);
    let heads = ["cls.", "lm_head.", "lm_predictions.", "mask_predictions."];
    matches!(bare, "embeddings.position_ids" | "embeddings.token_type_ids")
        || (shape.family == Family::Roberta && bare.starts_with("pooler."))
        || (!shape.has_positions && bare == "embeddings.position_embeddings.weight")
        // Made by `transformers` also where there is nothing to norm.
        || (!shape.relative.is_on && bare.starts_with("encoder.LayerNorm."))
        || (is_new && heads.iter().any(|head| name.starts_with(head)))
}

struct Walk(Vec<TensorSpec>);

impl Walk {
    fn tensor(&mut self, name: String, shape: &[i64]) -> usize {
        self.0.push(TensorSpec { name, shape: shape.to_vec() });
        self.0.len() - 1
    }

    fn linear(&mut self, name: String, inputs: i64, outputs: i64) -> Map {
        let weight = self.tensor(format!("{name}.weight"), &[outputs, inputs]);
        Map { weight, bias: self.tensor(format!("{name}.bias"), &[outputs]) }
    }

    fn norm(&mut self, name: String, width: i64) -> Map {
        let weight = self.tensor(format!("{name}.weight"), &[width]);
        Map { weight, bias: self.tensor(format!("{name}.bias"), &[width]) }
    }

    fn layer(&mut self, shape: &Shape, at: &str) -> Layer {
        let (hidden, wide, relative) = (shape.hidden, shape.feed_forward, &shape.relative);
        let suffix = if shape.family == Family::Deberta { "_proj" } else { "" };
        let mut own =
            |part: &str| self.linear(format!("{at}.attention.self.{part}{suffix}"), hidden, hidden);
        let (query, key, value) = (own("query"), own("key"), own("value"));
        let apart = relative.is_on && !relative.shares_maps;
        let position_key = (apart && relative.to_position).then(|| own("pos_key"));
        let position_query = (apart && relative.from_position).then(|| own("pos_query"));
        Layer {
            query,
            key,
            value,
            position_key,
            position_query,
            out: self.linear(format!("{at}.attention.output.dense"), hidden, hidden),
            after_attention: self.norm(format!("{at}.attention.output.LayerNorm"), hidden),
            up: self.linear(format!("{at}.intermediate.dense"), hidden, wide),
            down: self.linear(format!("{at}.output.dense"), wide, hidden),
            after_feed_forward: self.norm(format!("{at}.output.LayerNorm"), hidden),
        }
    }
}
