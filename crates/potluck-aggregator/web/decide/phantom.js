// Moving phantoms: ballots on the simplex in, one point of it out, and nobody gains by a false ballot.
//
// Each coordinate is the median of the n ballots' shares and of n + 1 phantoms f_0(t) ≥ … ≥ f_n(t), for the one t at which
// the medians sum to one (Freeman, Pennock, Peters and Wortman Vaughan, EC 2019). S(t), their sum, is piecewise linear and
// never falls: the first breakpoint with S ≥ 1 is found, and the rest is interpolated, all of it in exact fractions.

import { add, compare, divide, greatest, least, multiply, ONE, ratio, subtract, sum, ZERO } from "./ratio.js";
import { aboveFloor, MILLION, nearest } from "./shares.js";

/** @typedef {import("./ratio.js").Ratio} Ratio */

const HALF = ratio(1n, 2n);
const TWO = ratio(2n);
const THREE = ratio(3n);
const FOUR = ratio(4n);

/**
 * By the charter's names: the height of the phantom that has `above` of `total` ballots above it, at t; and every t at
 * which it is `vote` high, between which it is straight.
 * @type {Record<string, {height: (above: bigint, total: bigint, t: Ratio) => Ratio,
 *   breakpoints: (above: bigint, total: bigint, vote: Ratio) => Ratio[], end: Ratio}>}
 */
export const PHANTOMS = {
  independent_markets: {
    height: (above, _total, t) => least(multiply(t, ratio(above)), ONE),
    breakpoints: (above, _total, vote) => (above === 0n ? [] : [divide(vote, ratio(above))]),
    end: ONE,
  },
  ladder: {
    height: (above, total, t) => greatest(subtract(t, ratio(total - above, total)), ZERO),
    breakpoints: (above, total, vote) => [add(vote, ratio(total - above, total))],
    end: TWO,
  },
  utilitarian: {
    height: (above, total, t) =>
      least(greatest(subtract(multiply(t, ratio(total + 1n)), ratio(total - above)), ZERO), ONE),
    breakpoints: (above, total, vote) => [divide(add(vote, ratio(total - above)), ratio(total + 1n))],
    end: ONE,
  },
  piecewise_uniform: { height: uniformHeight, breakpoints: uniformBreakpoints, end: ONE },
};

function uniformHeight(above, total, t) {
  const share = ratio(above, total);
  const [isLow, isEarly] = [compare(share, HALF) < 0, compare(t, HALF) < 0];
  if (isLow && isEarly) return ZERO;
  if (isLow) return multiply(share, subtract(multiply(t, TWO), ONE));
  if (isEarly) return multiply(t, subtract(multiply(share, FOUR), TWO));
  const rest = subtract(multiply(t, TWO), TWO);
  return add(multiply(share, subtract(THREE, multiply(t, TWO))), rest);
}

function uniformBreakpoints(above, total, vote) {
  const share = ratio(above, total);
  if (compare(share, HALF) < 0) {
    return share.n === 0n ? [HALF] : [HALF, divide(add(divide(vote, share), ONE), TWO)];
  }
  const found = [HALF];
  const early = subtract(multiply(share, FOUR), TWO);
  if (early.n !== 0n) found.push(divide(vote, early));
  const late = multiply(subtract(ONE, share), TWO);
  if (late.n !== 0n) found.push(divide(subtract(add(vote, TWO), multiply(share, THREE)), late));
  return found;
}

/**
 * The point before it is rounded. Ballots are at or above the floors: others the ledger never takes.
 * @param {string} rule one of PHANTOMS
 * @param {{weight: number, shares: number[]}[]} ballots in parts per million
 * @param {number[]} floors
 * @returns {Ratio[]}
 */
export function decideExactly(rule, ballots, floors) {
  const counted = ballots.filter(({ weight }) => weight > 0);
  if (counted.length === 0) throw new RangeError("no ballots to count");
  const left = MILLION - floors.reduce((total, floor) => total + floor, 0);
  const columns = floors.map((floor, k) =>
    column(counted.map(({ weight, shares }) => ({ vote: ratio(shares[k] - floor, left), weight: BigInt(weight) }))),
  );
  const decided = balance(PHANTOMS[rule], columns);
  return decided.map((share, k) => aboveFloor(share, ratio(left, MILLION), floors[k]));
}

/**
 * The same, rounded by the largest remainder.
 * @param {string} rule
 * @param {{weight: number, shares: number[]}[]} ballots
 * @param {number[]} floors
 * @returns {number[]}
 */
export function decide(rule, ballots, floors) {
  return nearest(decideExactly(rule, ballots, floors));
}

/**
 * The votes on one coordinate with how many of all ballots are at least as large, from the largest on; before them one,
 * with none.
 * @param {{vote: Ratio, weight: bigint}[]} votes
 */
function column(votes) {
  const sorted = [...votes].sort((a, b) => compare(b.vote, a.vote));
  let total = 0n;
  const steps = [{ vote: ONE, above: 0n }];
  for (const { vote, weight } of sorted) {
    total += weight;
    steps.push({ vote, above: total });
  }
  return { steps, total };
}

/** The median at t. Of the ballots that agree only the last matters: its phantom is the highest. */
function median(phantoms, { steps, total }, t) {
  return steps.map(({ vote, above }) => least(phantoms.height(above, total, t), vote)).reduce(greatest);
}

/** The medians at the t where they sum to one. */
function balance(phantoms, columns) {
  const ts = breakpoints(phantoms, columns);
  const medians = (t) => columns.map((it) => median(phantoms, it, t));
  // The first t at which they sum to one or more: the sum never falls, so it is found by halving.
  let [low, high] = [0, ts.length - 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (compare(sum(medians(ts[middle])), ONE) < 0) low = middle + 1;
    else high = middle;
  }
  const upper = medians(ts[low]);
  if (low === 0) return upper;
  const lower = medians(ts[low - 1]);
  const [below, above] = [sum(lower), sum(upper)];
  if (compare(below, above) === 0) return upper;
  const part = divide(subtract(ONE, below), subtract(above, below));
  return lower.map((share, k) => add(share, multiply(subtract(upper[k], share), part)));
}

function breakpoints(phantoms, columns) {
  const ts = [ZERO, phantoms.end];
  for (const { steps, total } of columns) {
    const heights = [...steps.map(({ vote }) => vote), ZERO];
    for (const { above } of steps) {
      const met = heights.flatMap((vote) => phantoms.breakpoints(above, total, vote));
      ts.push(...met.filter((t) => compare(t, ZERO) > 0 && compare(t, phantoms.end) < 0));
    }
  }
  ts.sort(compare);
  return ts.filter((t, at) => at === 0 || compare(ts[at - 1], t) !== 0);
}
