// Experts that were read and checked, and what a mixture of them writes.

import { hex } from "../verify/bytes.js";
import { blake3 } from "../verify/hashes.js";
import { refuse } from "../verify/refused.js";
import { shapeOf } from "./llama.js";
import { mix } from "./mix.js";
import { readTensors } from "./safetensors.js";
import { Summariser } from "./summary.js";
import { Tokenizer } from "./tokenizer.js";

/**
 * @param {Record<string, any>} config
 * @param {Record<string, any>} tokenizer
 * @param {{party: string, blake3?: string, file: Uint8Array}[]} experts `blake3` is the digest in the expert's signed
 *   manifest: with it, a file that is another is refused
 * @returns {Tasting}
 */
export function load(config, tokenizer, experts) {
  for (const { party, blake3: expected, file } of experts) {
    if (expected !== undefined && hex(blake3(file)) !== expected) {
      refuse(`the expert of ${party} is not the one that it signed`);
    }
  }
  const read = experts.map(({ party, file }) => ({ party, tensors: readTensors(file, `the expert of ${party}`) }));
  return new Tasting(shapeOf(config), new Tokenizer(tokenizer), read);
}

export class Tasting {
  /**
   * @param {import("./llama.js").Shape} shape
   * @param {Tokenizer} tokenizer
   * @param {{party: string, tensors: Map<string, import("./safetensors.js").Tensor>}[]} experts
   */
  constructor(shape, tokenizer, experts) {
    this.shape = shape;
    this.tokenizer = tokenizer;
    this.experts = experts;
    this.mixed = { key: "", summariser: /** @type {Summariser | null} */ (null) };
  }

  /**
   * @param {Record<string, number>} lambda parts per million by party
   * @param {string} article
   */
  taste(lambda, article) {
    const key = JSON.stringify(lambda);
    // Another article for the same λ needs no other mixture.
    if (this.mixed.key !== key) {
      const soup = mix(this.experts.map(({ party, tensors }) => ({ party, tensors, ppm: lambda[party] ?? 0 })));
      this.mixed = { key, summariser: new Summariser(this.shape, this.tokenizer, soup) };
    }
    return this.mixed.summariser.summarise(article);
  }
}
