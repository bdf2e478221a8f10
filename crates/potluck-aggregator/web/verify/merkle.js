// The tree of RFC 6962, section 2.1, over SHA-256, and its two proofs, verified as RFC 9162, sections 2.1.3.2 and
// 2.1.4.2, spell it out. Sizes and indices are numbers up to 2^53, so they are halved, never shifted.

import { concat, equal } from "./bytes.js";
import { sha256 } from "./hashes.js";
import { refuse } from "./refused.js";

const MAX_PROOF_HASHES = 63;

/**
 * @param {Uint8Array} record
 * @returns {Uint8Array}
 */
export function leafHash(record) {
  return sha256(concat(Uint8Array.of(0), record));
}

/**
 * @param {Uint8Array} left
 * @param {Uint8Array} right
 * @returns {Uint8Array}
 */
export function nodeHash(left, right) {
  return sha256(concat(Uint8Array.of(1), left, right));
}

/** @returns {Uint8Array} the root of a tree without leaves */
export function emptyRoot() {
  return sha256(new Uint8Array(0));
}

const half = (n) => Math.floor(n / 2);
const isOdd = (n) => n % 2 === 1;

/**
 * Refuses unless `leaf` stands at `index` of the tree of this size and root. Size and root come from one verified
 * checkpoint.
 * @param {Uint8Array} leaf its hash
 * @param {number} index
 * @param {number} size
 * @param {Uint8Array} root
 * @param {Uint8Array[]} proof
 */
export function verifyInclusion(leaf, index, size, root, proof) {
  if (index >= size) refuse(`there is no leaf ${index} in a tree of ${size} leaves`);
  bounded(proof);
  const wrong = () => refuse(`${proof.length} hashes are not a proof for leaf ${index} of ${size}`);
  let [fn, sn, hash] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (sn === 0) wrong();
    if (isOdd(fn) || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  if (sn !== 0) wrong();
  if (!equal(hash, root)) refuse("record and proof do not lead to the root of the tree");
}

/**
 * Refuses unless the later tree only appended to the earlier one.
 * @param {number} oldSize
 * @param {Uint8Array} oldRoot
 * @param {number} newSize
 * @param {Uint8Array} newRoot
 * @param {Uint8Array[]} proof
 */
export function verifyConsistency(oldSize, oldRoot, newSize, newRoot, proof) {
  if (newSize < oldSize) refuse(`a log never shrinks, so ${oldSize} leaves cannot come before ${newSize}`);
  bounded(proof);
  const wrong = () => refuse(`${proof.length} hashes are not a proof from ${oldSize} to ${newSize} leaves`);
  const forked = () =>
    refuse(`the tree of ${newSize} leaves does not extend the tree of ${oldSize} that was seen before`);
  if (oldSize === 0 || oldSize === newSize) {
    if (proof.length > 0) wrong();
    if (!equal(oldRoot, oldSize === 0 ? emptyRoot() : newRoot)) forked();
    if (newSize === 0 && !equal(newRoot, emptyRoot())) forked();
    return;
  }
  let [fn, sn] = [oldSize - 1, newSize - 1];
  while (isOdd(fn)) [fn, sn] = [half(fn), half(sn)];
  // Where the old tree is one whole subtree of the new, its root is not in the proof: everybody knows it.
  const path = fn === 0 ? [oldRoot, ...proof] : [...proof];
  const first = path.shift();
  if (first === undefined) wrong();
  let [older, newer] = [first, first];
  for (const hash of path) {
    if (sn === 0) wrong();
    if (isOdd(fn) || fn === sn) {
      [older, newer] = [nodeHash(hash, older), nodeHash(hash, newer)];
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      newer = nodeHash(newer, hash);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  if (sn !== 0) wrong();
  if (!equal(older, oldRoot) || !equal(newer, newRoot)) forked();
}

/** @param {Uint8Array[]} proof */
function bounded(proof) {
  if (proof.length > MAX_PROOF_HASHES) refuse(`a proof has at most ${MAX_PROOF_HASHES} hashes`);
  if (proof.some((hash) => hash.length !== 32)) refuse("a hash of the proof has not 32 bytes");
}

/** Hashes leaves one after another, and knows the root of those that came: log(n) hashes are kept. */
export class Frontier {
  constructor() {
    /** @type {Uint8Array[]} roots of whole subtrees, the largest first */
    this.roots = [];
    this.size = 0;
  }

  /** @param {Uint8Array} leaf its hash */
  push(leaf) {
    let hash = leaf;
    for (let rest = this.size; isOdd(rest); rest = half(rest)) hash = nodeHash(this.roots.pop(), hash);
    this.roots.push(hash);
    this.size += 1;
  }

  /** @returns {Uint8Array} */
  root() {
    if (this.roots.length === 0) return emptyRoot();
    return this.roots.reduceRight((right, left) => nodeHash(left, right));
  }
}
