// The demo's task: an article in, its summary out, by the likeliest tokens.

import { Llama } from "./llama.js";

/** The most tokens of a summary, its end included: the trainer's own limit. */
export const MOST_TOKENS = 48;

export class Summariser {
  /**
   * @param {import("./llama.js").Shape} shape
   * @param {import("./tokenizer.js").Tokenizer} tokenizer
   * @param {Map<string, import("./safetensors.js").Tensor>} weights
   */
  constructor(shape, tokenizer, weights) {
    this.model = new Llama(shape, weights);
    this.tokenizer = tokenizer;
  }

  /** @param {string} article */
  summarise(article) {
    const { tokenizer } = this;
    const [begin, middle, end] = ["<|bos|>", "<|summary|>", "<|eos|>"].map((token) => tokenizer.id(token));
    // A special token that stands in the article is text there, not an order.
    const prompt = [begin, ...tokenizer.encodePlain(article), middle];
    const tokens = this.model.greedy(prompt, MOST_TOKENS, end);
    return { tokens, text: tokenizer.decode(tokens).trim() };
  }
}
