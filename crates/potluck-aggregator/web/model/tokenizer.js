// Byte-level BPE as `tokenizer.json` describes it: text to tokens and back, as the `tokenizers` library does it.
//
//   text ─ special tokens cut out ─ words (GPT-2's pattern) ─ bytes as letters ─ merges, lowest rank first ─▶ tokens

import { refuse } from "../verify/refused.js";

// \s of JavaScript has U+FEFF and lacks U+0085, so that white space is named here.
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const LENIENT = new TextDecoder();
const ENCODER = new TextEncoder();

/** The letter by which each byte stands in the vocabulary: printable ones are themselves, the others follow U+0100. */
const LETTERS = (() => {
  const isPrintable = (byte) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : next++));
})();

export class Tokenizer {
  /** @param {Record<string, any>} json the parsed `tokenizer.json` */
  constructor(json) {
    const { model, normalizer, pre_tokenizer: words, added_tokens: added = [] } = json;
    const isOurs = model?.type === "BPE" && words?.type === "ByteLevel" && words.use_regex && !normalizer;
    if (!isOurs || model.byte_fallback || model.ignore_merges || model.dropout) {
      refuse("the tokenizer is not plain byte-level BPE, the only kind that is known here");
    }
    this.addsSpace = words.add_prefix_space === true;
    /** @type {Map<string, number>} */
    this.ids = new Map(Object.entries(model.vocab));
    this.ranks = new Map(model.merges.map((pair, rank) => [Array.isArray(pair) ? pair.join(" ") : pair, rank]));
    this.special = new Map(added.map(({ content, id }) => [content, id]));
    /** @type {string[]} */
    this.tokens = [];
    for (const [token, id] of this.ids) this.tokens[id] = token;
    this.bytes = new Map(LETTERS.map((letter, byte) => [letter, byte]));
    /** @type {Map<string, number[]>} */
    this.words = new Map();
  }

  /** @param {string} token @returns {number} */
  id(token) {
    return this.special.get(token) ?? this.ids.get(token) ?? refuse(`the tokenizer lacks the token ${token}`);
  }

  /**
   * The tokens of a text; special ones that stand in it are themselves.
   * @param {string} text
   * @returns {number[]}
   */
  encode(text) {
    return this.parts(text).flatMap((part) => {
      const special = this.special.get(part);
      return special === undefined ? this.encodePlain(part) : [special];
    });
  }

  /** The text cut at special tokens, the leftmost first and the longest of those. */
  parts(text) {
    if (this.special.size === 0) return [text];
    const escaped = [...this.special.keys()]
      .sort((a, b) => b.length - a.length)
      .map((token) => token.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return text.split(new RegExp(`(${escaped.join("|")})`, "u")).filter((part) => part !== "");
  }

  encodePlain(text) {
    const spaced = this.addsSpace && !text.startsWith(" ") ? ` ${text}` : text;
    return (spaced.match(WORDS) ?? []).flatMap((word) => this.word(word));
  }

  /** Words come again and again: what one becomes is kept. */
  word(word) {
    const known = this.words.get(word);
    if (known !== undefined) return known;
    let symbols = Array.from(ENCODER.encode(word), (byte) => LETTERS[byte]);
    for (;;) {
      let [best, at] = [Infinity, -1];
      for (let i = 0; i + 1 < symbols.length; i += 1) {
        const rank = this.ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Infinity;
        if (rank < best) [best, at] = [rank, i];
      }
      if (at < 0) break;
      symbols.splice(at, 2, symbols[at] + symbols[at + 1]);
    }
    // A byte that the vocabulary lacks has no token, and is left out.
    const ids = symbols.flatMap((symbol) => this.ids.get(symbol) ?? []);
    this.words.set(word, ids);
    return ids;
  }

  /**
   * The text of tokens, special ones left out; bytes that are no UTF-8 are replaced.
   * @param {number[]} ids
   * @returns {string}
   */
  decode(ids) {
    const special = new Set(this.special.values());
    const bytes = ids
      .filter((id) => !special.has(id))
      .flatMap((id) => Array.from(this.tokens[id] ?? "", (letter) => this.bytes.get(letter) ?? 0x3f));
    return LENIENT.decode(Uint8Array.from(bytes));
  }
}
