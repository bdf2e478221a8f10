// λ as whole parts per million that sum to exactly one million.

import { add, compare, floor, multiply, ONE, ratio, subtract, sum, ZERO } from "./ratio.js";

export const MILLION = 1_000_000;

/**
 * Rounds exact shares by the largest remainder, ties to the lower coordinate (Hamilton's method).
 * @param {import("./ratio.js").Ratio[]} exact
 * @returns {number[]}
 */
export function nearest(exact) {
  if (compare(sum(exact), ONE) !== 0 || exact.some((share) => compare(share, ZERO) < 0)) {
    throw new RangeError("shares are not negative and sum to one");
  }
  const scaled = exact.map((share) => multiply(share, ratio(MILLION)));
  const floors = scaled.map((share) => Number(floor(share)));
  const left = scaled.map((share, at) => ({ at, rest: subtract(share, ratio(floors[at])) }));
  left.sort((a, b) => compare(b.rest, a.rest) || a.at - b.at);
  const missing = MILLION - floors.reduce((all, share) => all + share, 0);
  for (const { at } of left.slice(0, missing)) floors[at] += 1;
  return floors;
}

/**
 * @param {(bigint | number)[]} weights not negative, and not all zero
 * @returns {number[]}
 */
export function fromWeights(weights) {
  const all = weights.reduce((total, weight) => total + BigInt(weight), 0n);
  return nearest(weights.map((weight) => ratio(weight, all)));
}

/**
 * Σ wᵢ·λᵢₖ / Σ wᵢ, rounded once.
 * @param {{weight: number, shares: number[]}[]} ballots
 * @returns {number[]}
 */
export function weightedMean(ballots) {
  const width = ballots[0].shares.length;
  const sums = Array.from({ length: width }, (_, k) =>
    ballots.reduce((total, { weight, shares }) => total + BigInt(weight) * BigInt(shares[k]), 0n),
  );
  return fromWeights(sums);
}

/**
 * @param {number[]} a
 * @param {number[]} b
 * @returns {number} their ℓ1 distance in parts per million
 */
export function distance(a, b) {
  return a.reduce((total, share, at) => total + Math.abs(share - b[at]), 0);
}

/** @param {import("./ratio.js").Ratio} share @param {import("./ratio.js").Ratio} left @param {number} floorPpm */
export function aboveFloor(share, left, floorPpm) {
  return add(ratio(floorPpm, MILLION), multiply(share, left));
}
