// `linear/1`: a soup of experts, bit for bit as the server and every auditor make it.
//
//   s := +0; for each expert in order of party: s := s + ppm · x;  m := s / 1 000 000;  the element is m rounded to F32
//
// JavaScript's numbers are binary64, rounded to nearest even, never fused: the products here are exact, the sums and the
// quotient rounded once each, as the specification asks. `Math.fround` is the last rounding, also to subnormals.

import { equal, hex, utf8 } from "../verify/bytes.js";
import { blake3 } from "../verify/hashes.js";
import { refuse } from "../verify/refused.js";
import { bytesOf, NUMBERS, numbersOf } from "./numbers.js";
import { writeSoup } from "./safetensors.js";

const MILLION = 1_000_000;

/** @typedef {import("./safetensors.js").Tensor} Tensor */

/**
 * The recipe's one text.
 * @param {string} base its manifest's digest
 * @param {{party: string, manifest: string, ppm: number}[]} experts
 * @returns {{text: string, digest: string}}
 */
export function recipe(base, experts) {
  const taking = experts.filter(({ ppm }) => ppm > 0).sort((a, b) => (a.party < b.party ? -1 : 1));
  checkShares(taking.map(({ ppm }) => ppm));
  const listed = taking.map(({ party, manifest, ppm }) => ({ party, manifest, ppm }));
  const text = JSON.stringify({ arithmetic: "linear/1", base, experts: listed });
  return { text, digest: hex(blake3(utf8(text))) };
}

/**
 * @param {{party: string, ppm: number, tensors: Map<string, Tensor>}[]} experts
 * @returns {Map<string, Tensor>}
 */
export function mix(experts) {
  const taking = experts.filter(({ ppm }) => ppm > 0).sort((a, b) => (a.party < b.party ? -1 : 1));
  checkShares(taking.map(({ ppm }) => ppm));
  const [first, ...others] = taking.map(({ tensors }) => tensors);
  for (const other of others) {
    if (other.size !== first.size) refuse("the experts have not the same tensors");
  }
  const soup = new Map();
  for (const [name, tensor] of first) {
    const inputs = [tensor, ...others.map((other) => alike(tensor, other.get(name)))];
    soup.set(name, { ...tensor, bytes: mixed(inputs, taking.map(({ ppm }) => ppm)) });
  }
  return soup;
}

/**
 * The soup's file, whose BLAKE3 is the one in the ledger.
 * @param {Map<string, Tensor>} soup
 * @param {string} recipeDigest
 */
export function soupFile(soup, recipeDigest) {
  return writeSoup([...soup.values()], recipeDigest);
}

function checkShares(ppm) {
  const isWhole = ppm.every((share) => Number.isSafeInteger(share) && share > 0 && share <= MILLION);
  if (!isWhole || ppm.reduce((sum, share) => sum + share, 0) !== MILLION) {
    refuse("shares are whole parts per million that sum to one million");
  }
}

function alike(tensor, other) {
  const isSame = other?.dtype === tensor.dtype && JSON.stringify(other.shape) === JSON.stringify(tensor.shape);
  if (!isSame) refuse(`the experts differ in the shape or type of ${tensor.name}`);
  return other;
}

/**
 * @param {Tensor[]} inputs in order of party
 * @param {number[]} ppm
 * @returns {Uint8Array}
 */
function mixed(inputs, ppm) {
  const [{ name, dtype, bytes }] = inputs;
  if (!NUMBERS.includes(dtype)) {
    if (!inputs.every((it) => equal(it.bytes, bytes))) refuse(`the experts differ in ${name}, which is a constant`);
    return bytes.slice();
  }
  const xs = inputs.map(numbersOf);
  if (xs.length === 1) return bytes.slice();
  const out = new Float64Array(xs[0].length);
  for (let at = 0; at < out.length; at += 1) {
    let sum = 0;
    for (let i = 0; i < xs.length; i += 1) sum += ppm[i] * xs[i][at];
    out[at] = sum / MILLION;
  }
  return bytesOf(out, dtype, name);
}
