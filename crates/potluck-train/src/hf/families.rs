//! One function a family: which keys it has, and what `transformers` takes where they are absent.
//!
//! Sizes are never guessed, except where every version of `transformers` derives them. A key that
//! would change the arithmetic in a way that we do not compute is refused by name, whatever else
//! stands in the file (names, dropout, tokens) changes nothing here.

use serde_json::{Value, json};

use super::architecture::{Activation, Architecture, Attention, Family, Norm};
use super::rope::{Rope, RopeKeys, USUAL};
use super::settings::{self, ConfigError, Settings, excerpt};

/// The widest that any part may be; with it no product of three sizes overflows.
pub(super) const WIDEST: i64 = 1 << 20;
/// The most heads, and the widest.
pub(super) const MOST_HEADS: i64 = 1 << 12;
/// The most layers; the deepest published decoders have some 130.
pub(super) const MOST_LAYERS: i64 = 1 << 10;
/// The largest number of tokens.
pub(super) const MOST_TOKENS: i64 = 1 << 22;
/// The longest context, and the widest window.
pub(super) const LONGEST: i64 = 1 << 30;
/// The largest of the numbers that scale or bound something.
const LARGEST: f64 = 1e9;
/// The base of rotary frequencies where the file is silent.
const THETA: f64 = 10_000.0;
/// The window where the file is silent.
const WINDOW: i64 = 4096;

/// What reads one family's file.
type Reader = fn(&Settings) -> Result<Architecture, ConfigError>;

/// The architecture of the family that the file names.
pub(super) fn read(settings: &Settings) -> Result<Architecture, ConfigError> {
    let name = settings.word("model_type")?.ok_or_else(|| settings.missing("model_type"))?;
    let (class, read): (_, Reader) = match name {
        "llama" => ("LlamaForCausalLM", llama),
        "mistral" => ("MistralForCausalLM", mistral),
        "qwen2" => ("Qwen2ForCausalLM", qwen2),
        "qwen3" => ("Qwen3ForCausalLM", qwen3),
        "gemma2" => ("Gemma2ForCausalLM", gemma2),
        "gpt2" => ("GPT2LMHeadModel", gpt2),
        "gpt_neox" => ("GPTNeoXForCausalLM", gpt_neox),
        other => return Err(ConfigError::Family(excerpt(other))),
    };
    settings.only("architectures", &json!([class]))?;
    for key in ["quantization_config", "auto_map"] {
        settings.only(key, &Value::Null)?;
    }
    for key in ["is_encoder_decoder", "add_cross_attention", "use_bidirectional_attention"] {
        settings.only(key, &json!(false))?;
    }
    for key in ["dtype", "torch_dtype"] {
        let known = ["float32", "bfloat16", "float16"];
        if settings.word(key)?.is_some_and(|dtype| !known.contains(&dtype)) {
            return Err(settings.refused(key, "float32, bfloat16 or float16"));
        }
    }
    read(settings)
}

fn llama(settings: &Settings) -> Result<Architecture, ConfigError> {
    settings.only("pretraining_tp", &json!(1))?;
    let bias = settings.flag("attention_bias", false)?;
    let mut model = rotary(settings, Family::Llama)?;
    (model.attention.bias, model.attention.out_bias) = (bias, bias);
    model.feed_forward_bias = settings.flag("mlp_bias", false)?;
    Ok(model)
}

fn mistral(settings: &Settings) -> Result<Architecture, ConfigError> {
    let mut model = rotary(settings, Family::Mistral)?;
    let window = window(settings)?;
    model.attention.windows = vec![window; model.layers as usize];
    Ok(model)
}

fn qwen2(settings: &Settings) -> Result<Architecture, ConfigError> {
    let mut model = rotary(settings, Family::Qwen2)?;
    model.attention.bias = true;
    model.attention.windows = qwen_windows(settings, model.layers)?;
    Ok(model)
}

fn qwen3(settings: &Settings) -> Result<Architecture, ConfigError> {
    settings.needed_size("head_dim", MOST_HEADS)?;
    let bias = settings.flag("attention_bias", false)?;
    let mut model = rotary(settings, Family::Qwen3)?;
    (model.attention.bias, model.attention.out_bias) = (bias, bias);
    model.attention.norms_heads = true;
    model.attention.windows = qwen_windows(settings, model.layers)?;
    Ok(model)
}

fn gemma2(settings: &Settings) -> Result<Architecture, ConfigError> {
    settings.needed_size("head_dim", MOST_HEADS)?;
    let bias = settings.flag("attention_bias", false)?;
    let mut model = rotary(settings, Family::Gemma2)?;
    let cap = |key, absent| match settings.has(key) {
        true => settings.number(key, LARGEST),
        false => Ok(Some(absent)),
    };
    let scalar = settings.number("query_pre_attn_scalar", LARGEST)?.unwrap_or(256.0);
    (model.attention.bias, model.attention.out_bias) = (bias, bias);
    model.attention.scale = scalar.powf(-0.5);
    model.attention.cap = cap("attn_logit_softcapping", 50.0)?;
    model.logit_cap = cap("final_logit_softcapping", 30.0)?;
    model.embedding_scale = Some((model.hidden as f64).sqrt());
    let window = window(settings)?;
    model.attention.windows = windows(settings, model.layers, window, |layer| layer % 2 == 0)?;
    if let Norm::Rms(epsilon) = model.norm {
        model.norm = Norm::RmsPlusOne(epsilon);
    }
    Ok(model)
}

fn gpt2(settings: &Settings) -> Result<Architecture, ConfigError> {
    settings.only("reorder_and_upcast_attn", &json!(false))?;
    let hidden = settings.needed_size("n_embd", WIDEST)?;
    let heads = settings.needed_size("n_head", MOST_HEADS)?;
    let layers = settings.needed_size("n_layer", MOST_LAYERS)?;
    let head_width = divided(settings, hidden, heads, "n_head")?;
    let scales = settings.flag("scale_attn_weights", true)?;
    let attention = Attention {
        bias: true,
        out_bias: true,
        scale: if scales { (head_width as f64).powf(-0.5) } else { 1.0 },
        scales_by_layer: settings.flag("scale_attn_by_inverse_layer_idx", false)?,
        ..plain_attention(heads, heads, head_width, layers)
    };
    let vocabulary = settings.needed_size("vocab_size", MOST_TOKENS)?;
    Ok(Architecture {
        family: Family::Gpt2,
        vocabulary,
        hidden,
        layers,
        feed_forward: settings.size("n_inner", 4 * WIDEST)?.unwrap_or(4 * hidden),
        // They are learned: a row of a tensor each.
        positions: settings.needed_size("n_positions", WIDEST)?,
        attention,
        norm: Norm::Layer(settings.number("layer_norm_epsilon", 1.0)?.unwrap_or(1e-5)),
        activation: activation(settings, "activation_function", "gelu_new")?,
        feed_forward_bias: true,
        is_parallel: false,
        embedding_scale: None,
        is_tied: settings.flag("tie_word_embeddings", true)?,
        logit_cap: None,
        ends: ends(settings, vocabulary)?,
    })
}

fn gpt_neox(settings: &Settings) -> Result<Architecture, ConfigError> {
    let hidden = settings.needed_size("hidden_size", WIDEST)?;
    let heads = settings.needed_size("num_attention_heads", MOST_HEADS)?;
    let layers = settings.needed_size("num_hidden_layers", MOST_LAYERS)?;
    let head_width = divided(settings, hidden, heads, "num_attention_heads")?;
    // The last versions of transformers 4 wrote each of them twice.
    let keys = RopeKeys {
        theta: &["rotary_emb_base", "rope_theta"],
        part: &["rotary_pct", "partial_rotary_factor"],
    };
    let bias = settings.flag("attention_bias", true)?;
    let attention = Attention {
        rope: Some(Rope::read(settings, &keys, head_width, (THETA, 0.25))?),
        bias,
        out_bias: bias,
        ..plain_attention(heads, heads, head_width, layers)
    };
    let vocabulary = settings.needed_size("vocab_size", MOST_TOKENS)?;
    Ok(Architecture {
        family: Family::GptNeoX,
        vocabulary,
        hidden,
        layers,
        feed_forward: settings.needed_size("intermediate_size", 4 * WIDEST)?,
        positions: settings.needed_size("max_position_embeddings", LONGEST)?,
        attention,
        norm: Norm::Layer(settings.number("layer_norm_eps", 1.0)?.unwrap_or(1e-5)),
        activation: activation(settings, "hidden_act", "gelu")?,
        feed_forward_bias: true,
        is_parallel: settings.flag("use_parallel_residual", true)?,
        embedding_scale: None,
        is_tied: settings.flag("tie_word_embeddings", false)?,
        logit_cap: None,
        ends: ends(settings, vocabulary)?,
    })
}

/// What Llama and its descendants have in common.
fn rotary(settings: &Settings, family: Family) -> Result<Architecture, ConfigError> {
    let hidden = settings.needed_size("hidden_size", WIDEST)?;
    let heads = settings.needed_size("num_attention_heads", MOST_HEADS)?;
    let layers = settings.needed_size("num_hidden_layers", MOST_LAYERS)?;
    let kv_heads = match settings.size("num_key_value_heads", MOST_HEADS)? {
        Some(kv_heads) => kv_heads,
        // Only here is the default no number of its own.
        None if family == Family::Llama => heads,
        None => return Err(settings.missing("num_key_value_heads")),
    };
    if heads % kv_heads != 0 {
        return Err(settings.refused("num_key_value_heads", "a divisor of num_attention_heads"));
    }
    let head_width = match settings.size("head_dim", MOST_HEADS)? {
        Some(head_width) => head_width,
        None => divided(settings, hidden, heads, "num_attention_heads")?,
    };
    let attention = Attention {
        rope: Some(Rope::read(settings, &USUAL, head_width, (THETA, 1.0))?),
        ..plain_attention(heads, kv_heads, head_width, layers)
    };
    let vocabulary = settings.needed_size("vocab_size", MOST_TOKENS)?;
    let (act, absent) = match family {
        Family::Gemma2 => ("hidden_activation", "gelu_pytorch_tanh"),
        _ => ("hidden_act", "silu"),
    };
    Ok(Architecture {
        family,
        vocabulary,
        hidden,
        layers,
        feed_forward: settings.needed_size("intermediate_size", 4 * WIDEST)?,
        positions: settings.needed_size("max_position_embeddings", LONGEST)?,
        attention,
        norm: Norm::Rms(settings.needed_number("rms_norm_eps", 1.0)?),
        activation: activation(settings, act, absent)?,
        feed_forward_bias: false,
        is_parallel: false,
        embedding_scale: None,
        is_tied: settings.flag("tie_word_embeddings", family == Family::Gemma2)?,
        logit_cap: None,
        ends: ends(settings, vocabulary)?,
    })
}

fn plain_attention(heads: i64, kv_heads: i64, head_width: i64, layers: i64) -> Attention {
    Attention {
        heads,
        kv_heads,
        head_width,
        rope: None,
        bias: false,
        out_bias: false,
        norms_heads: false,
        scale: (head_width as f64).powf(-0.5),
        scales_by_layer: false,
        cap: None,
        windows: vec![None; layers as usize],
    }
}

pub(super) fn divided(
    settings: &Settings,
    hidden: i64,
    heads: i64,
    key: &str,
) -> Result<i64, ConfigError> {
    match hidden % heads {
        0 => Ok(hidden / heads),
        _ => Err(settings.refused(key, "a divisor of the hidden size")),
    }
}

pub(super) fn activation(
    settings: &Settings,
    key: &str,
    absent: &str,
) -> Result<Activation, ConfigError> {
    match settings.word(key)?.unwrap_or(absent) {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        _ => Err(settings.refused(key, "silu, gelu, gelu_new, gelu_pytorch_tanh or relu")),
    }
}

/// The window of the layers that have one; null is none, silence is not.
fn window(settings: &Settings) -> Result<Option<i64>, ConfigError> {
    match settings.has("sliding_window") {
        true => settings.size("sliding_window", LONGEST),
        false => Ok(Some(WINDOW)),
    }
}

fn qwen_windows(settings: &Settings, layers: i64) -> Result<Vec<Option<i64>>, ConfigError> {
    if !settings.flag("use_sliding_window", false)? {
        return windows(settings, layers, None, |_| false);
    }
    let first = settings.whole("max_window_layers", 0, LONGEST)?;
    let first = first.ok_or_else(|| settings.missing("max_window_layers"))?;
    windows(settings, layers, window(settings)?, |layer| layer as i64 >= first)
}

/// The window of each layer: as `layer_types` says, else where `slides` is true.
fn windows(
    settings: &Settings,
    layers: i64,
    window: Option<i64>,
    slides: impl Fn(usize) -> bool,
) -> Result<Vec<Option<i64>>, ConfigError> {
    let layers = layers as usize;
    let Some(types) = settings.value("layer_types") else {
        return Ok((0..layers).map(|layer| window.filter(|_| slides(layer))).collect());
    };
    let expected = "full_attention or sliding_attention for each layer, and sliding_window with it";
    let refused = || settings.refused("layer_types", expected);
    let types = types.as_array().filter(|types| types.len() == layers).ok_or_else(refused)?;
    let of = |kind: &Value| match (kind.as_str(), window) {
        (Some("full_attention"), _) => Ok(None),
        (Some("sliding_attention"), Some(window)) => Ok(Some(window)),
        _ => Err(refused()),
    };
    types.iter().map(of).collect()
}

/// The end tokens that a `generation_config.json` names.
pub(super) fn ends_of(bytes: &[u8], vocabulary: i64) -> Result<Vec<i64>, ConfigError> {
    ends(&Settings::new(&settings::parse(bytes)?), vocabulary)
}

/// The end tokens: one, several or none.
fn ends(settings: &Settings, vocabulary: i64) -> Result<Vec<i64>, ConfigError> {
    let listed = match settings.value("eos_token_id") {
        None => return Ok(Vec::new()),
        Some(Value::Array(listed)) if listed.len() <= 64 => listed.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let token = |value: &Value| value.as_i64().filter(|token| (0..vocabulary).contains(token));
    let ends: Option<Vec<i64>> = listed.iter().map(token).collect();
    ends.ok_or_else(|| settings.refused("eos_token_id", "one or several of the tokens"))
}

#[cfg(test)]
mod tests;
