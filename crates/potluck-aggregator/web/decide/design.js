// Which λ a bargain looks at first: the simplex lattice {N, 2} and its centroid, within what the floors leave.

import { fromWeights, MILLION } from "./shares.js";

/**
 * @param {number[]} floors by party, in order
 * @returns {number[][]} none twice
 */
export function firstCandidates(floors) {
  const left = MILLION - floors.reduce((total, floor) => total + floor, 0);
  const candidates = [];
  for (const point of lattice(floors.length)) {
    const weights = point.map((share, k) => BigInt(floors[k]) * BigInt(MILLION) + BigInt(left) * BigInt(share));
    const lambda = fromWeights(weights);
    // Where the floors leave next to nothing, rounding can make two points one.
    if (!candidates.some((known) => isSame(known, lambda))) candidates.push(lambda);
  }
  return candidates;
}

/**
 * Vertices, midpoints of edges, centroid.
 * @param {number} parties
 * @returns {number[][]}
 */
export function lattice(parties) {
  const all = Array.from({ length: parties }, (_, k) => k);
  const evenly = (among) => fromWeights(all.map((k) => (among.includes(k) ? 1 : 0)));
  const edges = all.flatMap((a) => all.slice(a + 1).map((b) => [a, b]));
  const centroid = parties > 2 ? [all] : [];
  return [...all.map((k) => [k]), ...edges, ...centroid].map(evenly);
}

/** @param {number[]} a @param {number[]} b */
export function isSame(a, b) {
  return a.length === b.length && a.every((share, k) => share === b[k]);
}
