// The log as files that never change (C2SP tlog-tiles): reads records, and makes proofs from the tiles.
//
// Nothing that is read here is trusted. A proof from altered tiles leads to another root than the signed one, which its
// verification sees; so does a record that is not the one that was logged.

import { nodeHash } from "./merkle.js";
import { refuse, Refused } from "./refused.js";

const WIDTH = 256;

/** How often is asked before a server that is busy is said to be so. */
const MOST_TRIES = 8;

/**
 * Fetches one file of the log by its path, such as `tile/0/000`.
 * @callback Read
 * @param {string} path
 * @param {number} most the longest answer that makes sense, in bytes
 * @returns {Promise<Uint8Array>}
 */

/**
 * @param {number} index
 * @returns {string} groups of three digits, an `x` before each but the last
 */
function number(index) {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = padded.match(/.{3}/g);
  return groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join("/");
}

/**
 * The path of a tile as it stands in a tree of `size` leaves.
 * @param {number | "entries"} level
 * @param {number} index
 * @param {number} size
 * @returns {{path: string, width: number}}
 */
export function tileOf(level, index, size) {
  const hashes = level === "entries" ? size : Math.floor(size / WIDTH ** level);
  const width = Math.min(WIDTH, hashes - index * WIDTH);
  if (width <= 0) refuse(`there is no tile ${index} at level ${level} in a tree of ${size} leaves`);
  const whole = `tile/${level}/${number(index)}`;
  return { path: width === WIDTH ? whole : `${whole}.p/${width}`, width };
}

/**
 * Where an envelope lies.
 * @param {string} digest its SHA-256 in hexadecimal
 * @returns {string}
 */
export function envelopePath(digest) {
  return `envelope/${digest.slice(0, 2)}/${digest}`;
}

/** A tree of one size, read from its tiles. */
export class Tiles {
  /**
   * @param {Read} read
   * @param {number} size
   */
  constructor(read, size) {
    this.read = read;
    this.size = size;
    /** @type {Map<string, Promise<Uint8Array>>} */
    this.kept = new Map();
  }

  /**
   * The records of one bundle, up to 256 from `256 * index` on.
   * @param {number} index
   * @returns {Promise<Uint8Array[]>}
   */
  async records(index) {
    const tile = tileOf("entries", index, this.size);
    const { bytes, isWhole } = await this.tileFile(tile, 2 + 0xffff);
    return parseBundle(bytes, tile.width, isWhole);
  }

  /** A partial tile may be gone once the whole one is there, which begins with it (C2SP tlog-tiles). */
  async tileFile({ path, width }, each) {
    const whole = path.replace(/\.p\/.*$/, "");
    try {
      return { bytes: await this.read(path, width * each), isWhole: path === whole };
    } catch (error) {
      if (path === whole || !(error instanceof Refused)) throw error;
      return { bytes: await this.read(whole, WIDTH * each), isWhole: true };
    }
  }

  /**
   * The proof that leaf `index` stands in this tree.
   * @param {number} index
   * @returns {Promise<Uint8Array[]>}
   */
  async inclusionProof(index) {
    if (index >= this.size) refuse(`there is no leaf ${index} in a tree of ${this.size} leaves`);
    return Promise.all(inclusionRanges(index, 0, this.size).map(([from, to]) => this.rangeHash(from, to)));
  }

  /**
   * The proof that this tree extends that of `old` leaves.
   * @param {number} old
   * @returns {Promise<Uint8Array[]>}
   */
  async consistencyProof(old) {
    if (old === 0 || old === this.size) return [];
    if (old > this.size) refuse(`a log never shrinks, so ${old} leaves cannot come before ${this.size}`);
    return Promise.all(consistencyRanges(old, 0, this.size, true).map(([from, to]) => this.rangeHash(from, to)));
  }

  /** @returns {Promise<Uint8Array>} the root that these tiles lead to */
  root() {
    return this.rangeHash(0, this.size);
  }

  /**
   * The hash of the subtree over leaves `from` to `to`, as RFC 6962 divides trees.
   * @param {number} from
   * @param {number} to
   * @returns {Promise<Uint8Array>}
   */
  async rangeHash(from, to) {
    const width = to - from;
    // A whole subtree whose hash is a tile's own, or stands below the tile that has its leaves.
    let [level, span] = [0, 1];
    while (span * WIDTH <= width) [level, span] = [level + 1, span * WIDTH];
    if (isPower(width / span) && from % width === 0) return this.within(level, from / span, width / span);
    const left = largestPowerBelow(width);
    const [a, b] = await Promise.all([this.rangeHash(from, from + left), this.rangeHash(from + left, to)]);
    return nodeHash(a, b);
  }

  /**
   * The hash over `count` hashes of a level, from the one with this number on; a power of two, all in one tile.
   * @param {number} level
   * @param {number} first
   * @param {number} count
   * @returns {Promise<Uint8Array>}
   */
  async within(level, first, count) {
    const tile = await this.tile(level, Math.floor(first / WIDTH));
    let hashes = [];
    for (let at = first % WIDTH; hashes.length < count; at += 1) hashes.push(tile.subarray(32 * at, 32 * at + 32));
    while (hashes.length > 1) {
      hashes = hashes.filter((_, at) => at % 2 === 0).map((left, at) => nodeHash(left, hashes[2 * at + 1]));
    }
    return hashes[0];
  }

  /**
   * @param {number} level
   * @param {number} index
   * @returns {Promise<Uint8Array>}
   */
  tile(level, index) {
    const tile = tileOf(level, index, this.size);
    const { path, width } = tile;
    const known = this.kept.get(path);
    if (known !== undefined) return known;
    const read = this.tileFile(tile, 32).then(({ bytes, isWhole }) => {
      const isRight = bytes.length === 32 * (isWhole ? WIDTH : width);
      return isRight ? bytes : refuse(`the tile ${path} has not ${width} hashes`);
    });
    this.kept.set(path, read);
    return read;
  }
}

/**
 * The records of a bundle, each behind its length in two bytes, big-endian.
 * @param {Uint8Array} bundle
 * @param {number} width how many are wanted
 * @param {boolean} isWhole whether more may follow them: a whole bundle was read where a partial one was asked for
 * @returns {Uint8Array[]}
 */
export function parseBundle(bundle, width, isWhole = false) {
  const records = [];
  let at = 0;
  for (let entry = 0; entry < width; entry += 1) {
    const length = at + 2 <= bundle.length ? bundle[at] * 256 + bundle[at + 1] : Infinity;
    if (at + 2 + length > bundle.length) refuse(`the bundle ends within entry ${entry}`);
    records.push(bundle.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  if (at !== bundle.length && !(isWhole && width < WIDTH)) refuse(`the bundle goes on after its ${width} entries`);
  return records;
}

/**
 * Reads the log's files from an address by `fetch`: the same host's, or the content security policy stops it.
 * @param {string} base ends with a slash
 * @returns {Read}
 */
export function fetched(base) {
  return async (path, most) => {
    const answer = await patient(base + path);
    if (!answer.ok) refuse(`the log has no ${path} (HTTP ${answer.status})`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if (bytes.length > most) refuse(`the log's ${path} is longer than ${most} bytes`);
    return bytes;
  };
}

/**
 * Asks, and asks again when the server says that it was too much at once: it says when.
 * @param {string} url
 * @returns {Promise<Response>}
 */
export async function patient(url) {
  for (let tries = 1; ; tries += 1) {
    const answer = await fetch(url, { credentials: "same-origin" });
    if ((answer.status !== 429 && answer.status !== 503) || tries === MOST_TRIES) return answer;
    const seconds = Math.min(60, Number(answer.headers.get("retry-after")) || 1);
    await new Promise((resume) => setTimeout(resume, 1000 * seconds));
  }
}

/**
 * RFC 6962, section 2.1.1: the ranges whose hashes are the proof of one leaf, from its sibling up.
 * @param {number} index
 * @param {number} from
 * @param {number} to
 * @returns {[number, number][]}
 */
function inclusionRanges(index, from, to) {
  if (to - from === 1) return [];
  const middle = from + largestPowerBelow(to - from);
  return index < middle
    ? [...inclusionRanges(index, from, middle), [middle, to]]
    : [...inclusionRanges(index, middle, to), [from, middle]];
}

/**
 * RFC 6962, section 2.1.2, SUBPROOF.
 * @param {number} old
 * @param {number} from
 * @param {number} to
 * @param {boolean} isKnown whether the old tree's own root stands for this range
 * @returns {[number, number][]}
 */
function consistencyRanges(old, from, to, isKnown) {
  if (from + old === to) return isKnown ? [] : [[from, to]];
  const left = largestPowerBelow(to - from);
  return old <= left
    ? [...consistencyRanges(old, from, from + left, isKnown), [from + left, to]]
    : [...consistencyRanges(old - left, from + left, to, false), [from, from + left]];
}

/** @param {number} n at least 2 */
function largestPowerBelow(n) {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

/** @param {number} n */
function isPower(n) {
  return Number.isInteger(n) && n > 0 && 2 ** Math.round(Math.log2(n)) === n;
}
