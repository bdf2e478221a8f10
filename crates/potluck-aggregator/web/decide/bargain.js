// What a bargain leads to: an argmax over a table of whole numbers, which a spreadsheet can repeat.
//
//   table ─ floors, caps ─ everybody accepts ─ everybody gains ─ veto ─▶ what may be chosen ─ rule ─▶ best first

import { add, compare, multiply, ratio, ZERO } from "./ratio.js";
import { distance } from "./shares.js";

/**
 * @typedef {{micro: number, accept: boolean}} Score
 * @typedef {{weight: number, disagreement: number, scores: Score[]}} Party
 * @typedef {{floor: number, cap: number}} Bounds
 * @typedef {{candidates: number[][], parties: Party[], bounds: Bounds[]}} Table
 * @typedef {"below_floor" | "above_cap" | "not_accepted" | "no_gain" | "struck"} Reason
 * @typedef {{candidate: number, reason: Reason, at: number}} Excluded `at` is whose: a coordinate's or a party's number
 * @typedef {{ranked: number[], excluded: Excluded[]}} Decision
 */

/** The charter's rules: how much a candidate is worth, from the gains and the normalised gains of all parties. */
const RULES = {
  nash: (weights, gains) => [ratio(weights.reduce((product, weight, i) => product * gains[i] ** weight, 1n))],
  leximin: (_weights, _gains, parts) => sorted(parts),
  utilitarian: (weights, _gains, parts) => [weighted(weights, (i) => parts[i])],
  alpha_half: (weights, gains) => [weighted(weights, (i) => ratio(root(gains[i] << 128n)))],
  alpha_two: (weights, gains) => [weighted(weights, (i) => ratio(-1n, gains[i]))],
  // 1 − α is negative: the largest of −Σ w/g^(α−1).
  alpha_sixteen: (weights, gains) => [weighted(weights, (i) => ratio(-1n, gains[i] ** 15n))],
};

/**
 * @param {Table} table
 * @param {keyof typeof RULES} rule
 * @param {boolean} withVeto whether each party strikes its worst candidates first
 * @param {number[]} fallback λ₀, towards which ties go
 * @returns {Decision}
 */
export function choose(table, rule, withVeto, fallback) {
  const worthBy = RULES[rule];
  if (worthBy === undefined) throw new RangeError(`the rule ${rule} is not known here`);
  const lowest = lowestTerms(table.parties.map(({ weight }) => BigInt(weight)));
  const all = table.candidates.map((_, candidate) => candidate);
  const excluded = all.flatMap((candidate) => exclusion(table, candidate) ?? []);
  const standing = () => all.filter((it) => !excluded.some(({ candidate }) => candidate === it));
  if (withVeto) excluded.push(...struck(table, lowest, standing()));
  excluded.sort((a, b) => a.candidate - b.candidate);
  const best = ideals(table, standing());
  const ranked = standing().map((candidate) => {
    const gains = table.parties.map((_, i) => BigInt(gain(table, i, candidate)));
    const parts = gains.map((it, i) => ratio(it, best[i]));
    const [worth, spread] = [worthBy(lowest, gains, parts), sorted(parts)];
    return { candidate, worth, spread, far: distance(table.candidates[candidate], fallback) };
  });
  ranked.sort(
    (a, b) => byVector(b.worth, a.worth) || byVector(b.spread, a.spread) || a.far - b.far || a.candidate - b.candidate,
  );
  return { ranked: ranked.map(({ candidate }) => candidate), excluded };
}

/** What a candidate gives a party over no deal. */
function gain(table, party, candidate) {
  const { scores, disagreement } = table.parties[party];
  return scores[candidate].micro - disagreement;
}

/**
 * Why a candidate may not be chosen: the first reason that applies.
 * @param {Table} table
 * @param {number} candidate
 * @returns {Excluded | undefined}
 */
function exclusion({ candidates, bounds, parties }, candidate) {
  for (const [at, { floor, cap }] of bounds.entries()) {
    const share = candidates[candidate][at];
    if (share < floor) return { candidate, reason: "below_floor", at };
    if (share > cap) return { candidate, reason: "above_cap", at };
  }
  const refused = parties.findIndex(({ scores }) => !scores[candidate].accept);
  if (refused >= 0) return { candidate, reason: "not_accepted", at: refused };
  const without = parties.findIndex((it) => it.scores[candidate].micro - it.disagreement <= 0);
  return without >= 0 ? { candidate, reason: "no_gain", at: without } : undefined;
}

/** Proportional veto (Moulin, 1981): x % of the weight strikes fewer than x %, its own worst; of equals the later ones. */
function struck({ parties }, weights, standing) {
  const total = weights.reduce((all, weight) => all + weight, 0n);
  /** @type {Excluded[]} */
  const out = [];
  for (const [at, { scores }] of parties.entries()) {
    const worst = [...standing].sort((a, b) => scores[a].micro - scores[b].micro || b - a);
    const share = weights[at] * BigInt(standing.length);
    const strikes = Math.max(0, Number((share + total - 1n) / total) - 1);
    for (const candidate of worst.slice(0, strikes)) {
      if (!out.some((it) => it.candidate === candidate)) out.push({ candidate, reason: "struck", at });
    }
  }
  return out;
}

/** The largest gain of each party among those that stand. */
function ideals(table, standing) {
  return table.parties.map((_, i) => Math.max(0, ...standing.map((candidate) => gain(table, i, candidate))));
}

function sorted(parts) {
  return [...parts].sort(compare);
}

function weighted(weights, value) {
  return weights.reduce((total, weight, i) => add(total, multiply(ratio(weight), value(i))), ZERO);
}

function byVector(a, b) {
  for (const [at, value] of a.entries()) {
    const order = compare(value, b[at]);
    if (order !== 0) return order;
  }
  return 0;
}

function lowestTerms(weights) {
  const common = weights.reduce((a, b) => {
    while (b !== 0n) [a, b] = [b, a % b];
    return a;
  }, 0n);
  return weights.map((weight) => weight / common);
}

/** The integer part of a square root, by Newton's method from above. */
function root(value) {
  if (value < 2n) return value;
  let x = 1n << BigInt(Math.ceil(value.toString(2).length / 2));
  for (;;) {
    const next = (x + value / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}
