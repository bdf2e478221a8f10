// A Llama-shaped decoder in plain JavaScript, for models of some hundred thousand weights: one token at a time, with what
// earlier tokens left behind kept.
//
// Everything is computed in binary64, which JavaScript has, where the trainer's libtorch computes in F32 and sums in an order
// of its own. So logits agree to six digits or so and not to the bit, and the likeliest token is another one only where two
// are that close. Weights are widened once, since converting each at every use would cost more than the sums.

import { numbersOf } from "./numbers.js";
import { refuse } from "../verify/refused.js";

/**
 * @typedef {object} Shape
 * @property {number} hidden @property {number} heads @property {number} kvHeads @property {number} headWidth
 * @property {number} feedForward @property {number} layers @property {number} vocabulary @property {number} positions
 * @property {number} epsilon @property {number} theta @property {boolean} isTied
 */

/**
 * @param {Record<string, any>} config the parsed `config.json`
 * @returns {Shape}
 */
export function shapeOf(config) {
  const rope = config.rope_parameters ?? config.rope_scaling ?? {};
  const isPlain = config.hidden_act === "silu" && !config.attention_bias && !config.mlp_bias;
  if (config.model_type !== "llama" || !isPlain || (rope.rope_type ?? "default") !== "default") {
    refuse("the model is not a plain Llama, the only kind that is computed here");
  }
  const shape = {
    hidden: config.hidden_size,
    heads: config.num_attention_heads,
    kvHeads: config.num_key_value_heads ?? config.num_attention_heads,
    headWidth: config.head_dim ?? config.hidden_size / config.num_attention_heads,
    feedForward: config.intermediate_size,
    layers: config.num_hidden_layers,
    vocabulary: config.vocab_size,
    positions: config.max_position_embeddings,
  };
  const isCount = (it) => Number.isSafeInteger(it) && it > 0 && it < 1 << 24;
  if (!Object.values(shape).every(isCount) || shape.heads % shape.kvHeads !== 0 || shape.headWidth % 2 !== 0) {
    refuse("the model's configuration has sizes that do not fit together");
  }
  const theta = rope.rope_theta ?? config.rope_theta ?? 10_000;
  return { ...shape, epsilon: config.rms_norm_eps, theta, isTied: config.tie_word_embeddings === true };
}

export class Llama {
  /**
   * @param {Shape} shape
   * @param {Map<string, import("./safetensors.js").Tensor>} tensors
   */
  constructor(shape, tensors) {
    this.shape = shape;
    const { hidden, heads, kvHeads, headWidth, feedForward, vocabulary } = shape;
    const take = (name, ...sides) => {
      const tensor = tensors.get(name);
      if (tensor === undefined || tensor.shape.join() !== sides.join()) refuse(`the model's ${name} is not ${sides}`);
      return Float64Array.from(numbersOf(tensor));
    };
    this.embedding = take("model.embed_tokens.weight", vocabulary, hidden);
    this.head = shape.isTied ? this.embedding : take("lm_head.weight", vocabulary, hidden);
    this.norm = take("model.norm.weight", hidden);
    this.layers = Array.from({ length: shape.layers }, (_, layer) => {
      const of = (name, ...sides) => take(`model.layers.${layer}.${name}.weight`, ...sides);
      return {
        before: of("input_layernorm", hidden),
        q: of("self_attn.q_proj", heads * headWidth, hidden),
        k: of("self_attn.k_proj", kvHeads * headWidth, hidden),
        v: of("self_attn.v_proj", kvHeads * headWidth, hidden),
        out: of("self_attn.o_proj", hidden, heads * headWidth),
        between: of("post_attention_layernorm", hidden),
        gate: of("mlp.gate_proj", feedForward, hidden),
        up: of("mlp.up_proj", feedForward, hidden),
        down: of("mlp.down_proj", hidden, feedForward),
      };
    });
    // In F32, as the trainer has them: at a late position their last bit would be a visible part of a turn.
    this.frequencies = Float64Array.from({ length: headWidth / 2 }, (_, at) =>
      Math.fround(1 / Math.fround(shape.theta ** Math.fround((2 * at) / headWidth))),
    );
  }

  /**
   * Continues a prompt by its likeliest tokens, the one that ends it included; of equals the lower.
   * @param {number[]} prompt
   * @param {number} most
   * @param {number} end
   * @returns {number[]}
   */
  greedy(prompt, most, end) {
    const run = new Run(this);
    let hidden = prompt.map((token) => run.feed(token)).at(-1) ?? refuse("a prompt has at least one token");
    /** @type {number[]} */
    const written = [];
    for (;;) {
      written.push(likeliest(this.logits(hidden)));
      const last = /** @type {number} */ (written.at(-1));
      if (last === end || written.length === most) return written;
      hidden = run.feed(last);
    }
  }

  /** @param {Float64Array} hidden */
  logits(hidden) {
    return times(this.head, hidden, new Float64Array(this.shape.vocabulary));
  }
}

/** What a text has left behind so far: keys and values of each layer. */
export class Run {
  /** @param {Llama} model */
  constructor(model) {
    this.model = model;
    this.length = 0;
    const { positions, kvHeads, headWidth } = model.shape;
    const room = () => new Float64Array(positions * kvHeads * headWidth);
    this.kept = model.layers.map(() => ({ keys: room(), values: room() }));
  }

  /**
   * @param {number} token the next one
   * @returns {Float64Array} the normed residual stream after it
   */
  feed(token) {
    const { shape, embedding, layers, norm } = this.model;
    if (this.length >= shape.positions) refuse(`the model reads at most ${shape.positions} tokens`);
    if (!(token >= 0 && token < shape.vocabulary)) refuse(`the model has no token ${token}`);
    const x = embedding.slice(token * shape.hidden, (token + 1) * shape.hidden);
    const turn = this.turn();
    layers.forEach((layer, at) => {
      add(x, this.attended(layer, this.kept[at], normed(x, layer.before, shape.epsilon), turn));
      add(x, this.fed(layer, normed(x, layer.between, shape.epsilon)));
    });
    this.length += 1;
    return normed(x, norm, shape.epsilon);
  }

  /** Cosines and sines of the present position. */
  turn() {
    const angles = this.model.frequencies.map((frequency) => Math.fround(this.length * frequency));
    return { cos: angles.map(Math.cos), sin: angles.map(Math.sin) };
  }

  attended(layer, { keys, values }, x, turn) {
    const { heads, kvHeads, headWidth } = this.model.shape;
    const q = turned(times(layer.q, x, new Float64Array(heads * headWidth)), headWidth, turn);
    const row = kvHeads * headWidth;
    keys.set(turned(times(layer.k, x, new Float64Array(row)), headWidth, turn), this.length * row);
    values.set(times(layer.v, x, new Float64Array(row)), this.length * row);
    const mixed = new Float64Array(heads * headWidth);
    const [shared, scale] = [heads / kvHeads, 1 / Math.sqrt(headWidth)];
    for (let head = 0; head < heads; head += 1) {
      const from = Math.floor(head / shared) * headWidth;
      const weights = softmax(this.scores(q, head * headWidth, keys, from, row, scale));
      for (let at = 0; at < headWidth; at += 1) {
        let sum = 0;
        for (let place = 0; place <= this.length; place += 1) sum += weights[place] * values[place * row + from + at];
        mixed[head * headWidth + at] = sum;
      }
    }
    return times(layer.out, mixed, new Float64Array(this.model.shape.hidden));
  }

  scores(q, at, keys, from, row, scale) {
    const { headWidth } = this.model.shape;
    const scores = new Float64Array(this.length + 1);
    for (let place = 0; place <= this.length; place += 1) {
      let sum = 0;
      for (let i = 0; i < headWidth; i += 1) sum += q[at + i] * keys[place * row + from + i];
      scores[place] = sum * scale;
    }
    return scores;
  }

  fed(layer, x) {
    const { feedForward, hidden } = this.model.shape;
    const gate = times(layer.gate, x, new Float64Array(feedForward));
    const up = times(layer.up, x, new Float64Array(feedForward));
    for (let at = 0; at < feedForward; at += 1) gate[at] = (gate[at] / (1 + Math.exp(-gate[at]))) * up[at];
    return times(layer.down, gate, new Float64Array(hidden));
  }
}

/**
 * A matrix times a vector. Four sums at once, since one addition does not wait for another's.
 * @param {Float64Array} matrix rows as long as the vector
 * @param {Float64Array} x
 * @param {Float64Array} out
 * @returns {Float64Array} `out`
 */
function times(matrix, x, out) {
  const width = x.length;
  const whole = width - (width % 4);
  for (let row = 0, at = 0; row < out.length; row += 1) {
    let [a, b, c, d] = [0, 0, 0, 0];
    let i = 0;
    for (; i < whole; i += 4, at += 4) {
      a += matrix[at] * x[i];
      b += matrix[at + 1] * x[i + 1];
      c += matrix[at + 2] * x[i + 2];
      d += matrix[at + 3] * x[i + 3];
    }
    for (; i < width; i += 1, at += 1) a += matrix[at] * x[i];
    out[row] = a + b + (c + d);
  }
  return out;
}

function add(x, y) {
  for (let at = 0; at < x.length; at += 1) x[at] += y[at];
}

function normed(x, weight, epsilon) {
  let squares = 0;
  for (const value of x) squares += value * value;
  const scale = 1 / Math.sqrt(squares / x.length + epsilon);
  return x.map((value, at) => value * scale * weight[at]);
}

/** Each head's first half against its second, by the angle of the position. */
function turned(x, headWidth, { cos, sin }) {
  const half = headWidth / 2;
  for (let head = 0; head < x.length; head += headWidth) {
    for (let at = 0; at < half; at += 1) {
      const [a, b] = [x[head + at], x[head + at + half]];
      x[head + at] = a * cos[at] - b * sin[at];
      x[head + at + half] = b * cos[at] + a * sin[at];
    }
  }
  return x;
}

function softmax(scores) {
  const most = scores.reduce((a, b) => Math.max(a, b));
  const weights = scores.map((score) => Math.exp(score - most));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

function likeliest(logits) {
  let best = 0;
  for (let at = 1; at < logits.length; at += 1) if (logits[at] > logits[best]) best = at;
  return best;
}
