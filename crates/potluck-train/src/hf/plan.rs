//! Names and shapes of all tensors of an architecture, and which part of the arithmetic each is.
//!
//! The plan is made before any weight is read. What a file must hold and what the decoder computes
//! with follow from one walk, so neither can know a tensor that the other does not.

use crate::model::TensorSpec;

use super::architecture::{Architecture, Family, Norm};

/// Every tensor, and its place in the arithmetic. Numbers are positions in [`Plan::tensors`].
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) tensors: Vec<TensorSpec>,
    pub(super) embedding: usize,
    /// Learned positions.
    pub(super) positions: Option<usize>,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Scale,
    pub(super) head: usize,
}

/// A linear map. Only GPT-2 keeps its matrices as `[inputs, outputs]`.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    pub(super) weight: usize,
    pub(super) bias: Option<usize>,
    pub(super) is_transposed: bool,
}

/// What a norm multiplies by, and adds.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    pub(super) weight: usize,
    pub(super) bias: Option<usize>,
}

/// How queries, keys and values are kept.
#[derive(Debug, Clone)]
pub(super) enum Projection {
    /// A map each.
    Apart([Linear; 3]),
    /// The three maps in one, for sampling: so many heads of queries and of keys.
    Joined(Linear, [i64; 2]),
    /// One map: all queries, all keys, all values.
    InRow(Linear),
    /// One map: query, key and value of the first head, then of the second.
    ByHead(Linear),
}

#[derive(Debug, Clone)]
pub(super) enum FeedForward {
    Gated {
        gate: Linear,
        up: Linear,
        down: Linear,
    },
    /// Gate and up in one, for sampling.
    Joined {
        both: Linear,
        down: Linear,
    },
    Plain {
        up: Linear,
        down: Linear,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) before_attention: Scale,
    pub(super) projection: Projection,
    /// Of the heads of queries and of keys.
    pub(super) head_norms: Option<[Scale; 2]>,
    pub(super) out: Linear,
    pub(super) after_attention: Option<Scale>,
    pub(super) before_feed_forward: Scale,
    pub(super) feed_forward: FeedForward,
    pub(super) after_feed_forward: Option<Scale>,
}

/// What tensors are called in one family.
struct Names {
    embedding: &'static str,
    /// Before the number of a layer.
    layer: &'static str,
    norm: &'static str,
    head: &'static str,
}

impl Plan {
    /// The plan of a model.
    pub fn of(model: &Architecture) -> Self {
        let names = names(model.family);
        let mut walk = Walk { model, tensors: Vec::new() };
        let embedding = walk.tensor(names.embedding, &[model.vocabulary, model.hidden]);
        let positions = model
            .longest()
            .map(|longest| walk.tensor("transformer.wpe.weight", &[longest, model.hidden]));
        let layers = (0..model.layers)
            .map(|number| walk.layer(&format!("{}.{number}", names.layer)))
            .collect();
        let norm = walk.scale(names.norm.to_owned(), model.hidden);
        let head = match model.is_tied {
            true => embedding,
            false => walk.tensor(names.head, &[model.vocabulary, model.hidden]),
        };
        Self { tensors: walk.tensors, embedding, positions, layers, norm, head }
    }

    /// Every tensor with the name that `transformers` gives it.
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// Every linear map of the layers.
    pub(super) fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.layers.iter().flat_map(|layer| {
            let projection: Vec<&Linear> = match &layer.projection {
                Projection::Apart(maps) => maps.iter().collect(),
                Projection::InRow(map) | Projection::ByHead(map) | Projection::Joined(map, _) => {
                    vec![map]
                }
            };
            let feed_forward: Vec<&Linear> = match &layer.feed_forward {
                FeedForward::Gated { gate, up, down } => vec![gate, up, down],
                FeedForward::Plain { up, down } | FeedForward::Joined { both: up, down } => {
                    vec![up, down]
                }
            };
            projection.into_iter().chain([&layer.out]).chain(feed_forward)
        })
    }

    /// The name of a map's module.
    pub(super) fn module(&self, map: &Linear) -> &str {
        let name = &self.tensors[map.weight].name;
        name.strip_suffix(".weight").unwrap_or(name)
    }

    /// Whether a map is the module `target`, as PEFT reads it.
    pub(super) fn is_called(&self, map: &Linear, target: &str) -> bool {
        let module = self.module(map);
        let ends = module.strip_suffix(target).is_some_and(|it| it.is_empty() || it.ends_with('.'));
        target == "all-linear" || ends
    }

    /// A map's outputs and inputs.
    pub(super) fn sides(&self, map: &Linear) -> [i64; 2] {
        let shape = &self.tensors[map.weight].shape;
        if map.is_transposed { [shape[1], shape[0]] } else { [shape[0], shape[1]] }
    }

    /// The number of weights.
    pub fn parameters(&self) -> i64 {
        let sizes = self.tensors.iter().map(|spec| spec.shape.iter().product::<i64>());
        sizes.fold(0, i64::saturating_add)
    }
}

/// Other names that files have for the tensor `name`: the base model alone is saved without its
/// prefix, and `transformers` 5 calls the last map of GPT-NeoX otherwise than 4.
pub(super) fn other_name(name: &str) -> Option<&str> {
    if name == "embed_out.weight" {
        return Some("lm_head.weight");
    }
    name.strip_prefix("transformer.")
}

/// Whether files hold a tensor of this name that is no weight: masks and frequencies, which follow
/// from the configuration, and a second copy of a tied embedding.
pub(super) fn is_ignored(model: &Architecture, name: &str) -> bool {
    let buffers = [
        ".attn.bias",
        ".attn.masked_bias",
        ".attention.bias",
        ".attention.masked_bias",
        ".rotary_emb.inv_freq",
    ];
    buffers.iter().any(|buffer| name.ends_with(buffer))
        || (model.is_tied && matches!(name, "lm_head.weight" | "embed_out.weight"))
}

fn names(family: Family) -> Names {
    match family {
        Family::Gpt2 => Names {
            embedding: "transformer.wte.weight",
            layer: "transformer.h",
            norm: "transformer.ln_f",
            head: "lm_head.weight",
        },
        Family::GptNeoX => Names {
            embedding: "gpt_neox.embed_in.weight",
            layer: "gpt_neox.layers",
            norm: "gpt_neox.final_layer_norm",
            head: "embed_out.weight",
        },
        _ => Names {
            embedding: "model.embed_tokens.weight",
            layer: "model.layers",
            norm: "model.norm",
            head: "lm_head.weight",
        },
    }
}

struct Walk<'a> {
    model: &'a Architecture,
    tensors: Vec<TensorSpec>,
}

impl Walk<'_> {
    fn tensor(&mut self, name: impl Into<String>, shape: &[i64]) -> usize {
        self.tensors.push(TensorSpec { name: name.into(), shape: shape.to_vec() });
        self.tensors.len() - 1
    }

    fn scale(&mut self, name: String, width: i64) -> Scale {
        let weight = self.tensor(format!("{name}.weight"), &[width]);
        let has_bias = matches!(self.model.norm, Norm::Layer(_));
        let bias = has_bias.then(|| self.tensor(format!("{name}.bias"), &[width]));
        Scale { weight, bias }
    }

    fn linear(&mut self, name: String, inputs: i64, outputs: i64, has_bias: bool) -> Linear {
        let is_transposed = self.model.family == Family::Gpt2;
        let shape = if is_transposed { [inputs, outputs] } else { [outputs, inputs] };
        let weight = self.tensor(format!("{name}.weight"), &shape);
        let bias = has_bias.then(|| self.tensor(format!("{name}.bias"), &[outputs]));
        Linear { weight, bias, is_transposed }
    }

    fn layer(&mut self, at: &str) -> Layer {
        match self.model.family {
            Family::Gpt2 => self.fused(
                at,
                ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"],
                Projection::InRow,
            ),
            Family::GptNeoX => self.fused(
                at,
                [
                    "input_layernorm",
                    "attention.query_key_value",
                    "attention.dense",
                    "post_attention_layernorm",
                    "mlp.dense_h_to_4h",
                    "mlp.dense_4h_to_h",
                ],
                Projection::ByHead,
            ),
            _ => self.apart(at),
        }
    }

    /// Queries, keys and values from one map, and a feed-forward part without a gate.
    fn fused(
        &mut self,
        at: &str,
        [norm1, qkv, out, norm2, up, down]: [&str; 6],
        projection: fn(Linear) -> Projection,
    ) -> Layer {
        let model = self.model;
        let (hidden, width) = (model.hidden, model.feed_forward);
        let (bias, out_bias) = (model.attention.bias, model.attention.out_bias);
        let wide = model.feed_forward_bias;
        Layer {
            before_attention: self.scale(format!("{at}.{norm1}"), hidden),
            projection: projection(self.linear(format!("{at}.{qkv}"), hidden, 3 * hidden, bias)),
            head_norms: None,
            out: self.linear(format!("{at}.{out}"), hidden, hidden, out_bias),
            after_attention: None,
            before_feed_forward: self.scale(format!("{at}.{norm2}"), hidden),
            feed_forward: FeedForward::Plain {
                up: self.linear(format!("{at}.{up}"), hidden, width, wide),
                down: self.linear(format!("{at}.{down}"), width, hidden, wide),
            },
            after_feed_forward: None,
        }
    }

    /// The layers of Llama and its descendants.
    fn apart(&mut self, at: &str) -> Layer {
        let model = self.model;
        let (hidden, width, attention) = (model.hidden, model.feed_forward, &model.attention);
        let head = attention.head_width;
        let (queries, keys) = (attention.heads * head, attention.kv_heads * head);
        let (bias, wide) = (attention.bias, model.feed_forward_bias);
        // Gemma 2 norms what a part gives, too, and calls the second norm of others by its place.
        let is_sandwich = model.family == Family::Gemma2;
        let norm2 =
            if is_sandwich { "pre_feedforward_layernorm" } else { "post_attention_layernorm" };
        Layer {
            before_attention: self.scale(format!("{at}.input_layernorm"), hidden),
            projection: Projection::Apart([("q", queries), ("k", keys), ("v", keys)].map(
                |(part, outputs)| {
                    self.linear(format!("{at}.self_attn.{part}_proj"), hidden, outputs, bias)
                },
            )),
            head_norms: attention.norms_heads.then(|| {
                ["q", "k"].map(|it| self.scale(format!("{at}.self_attn.{it}_norm"), head))
            }),
            out: self.linear(format!("{at}.self_attn.o_proj"), queries, hidden, attention.out_bias),
            after_attention: is_sandwich
                .then(|| self.scale(format!("{at}.post_attention_layernorm"), hidden)),
            before_feed_forward: self.scale(format!("{at}.{norm2}"), hidden),
            feed_forward: FeedForward::Gated {
                gate: self.linear(format!("{at}.mlp.gate_proj"), hidden, width, wide),
                up: self.linear(format!("{at}.mlp.up_proj"), hidden, width, wide),
                down: self.linear(format!("{at}.mlp.down_proj"), width, hidden, wide),
            },
            after_feed_forward: is_sandwich
                .then(|| self.scale(format!("{at}.post_feedforward_layernorm"), hidden)),
        }
    }
}
