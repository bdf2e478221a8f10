// Exact fractions. A decision is made in these or in whole numbers, never in doubles: whoever repeats it must come to the
// same λ to the last millionth.

/**
 * In lowest terms, with a positive denominator.
 * @typedef {{n: bigint, d: bigint}} Ratio
 */

/**
 * @param {bigint | number} numerator
 * @param {bigint | number} denominator not zero
 * @returns {Ratio}
 */
export function ratio(numerator, denominator = 1n) {
  let [n, d] = [BigInt(numerator), BigInt(denominator)];
  if (d === 0n) throw new RangeError("a fraction's denominator is zero");
  if (d < 0n) [n, d] = [-n, -d];
  const common = gcd(n < 0n ? -n : n, d);
  return { n: n / common, d: d / common };
}

/** @param {bigint} a @param {bigint} b */
function gcd(a, b) {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

export const ZERO = ratio(0n);
export const ONE = ratio(1n);

/** @param {Ratio} a @param {Ratio} b @returns {Ratio} */
export const add = (a, b) => ratio(a.n * b.d + b.n * a.d, a.d * b.d);
/** @param {Ratio} a @param {Ratio} b @returns {Ratio} */
export const subtract = (a, b) => ratio(a.n * b.d - b.n * a.d, a.d * b.d);
/** @param {Ratio} a @param {Ratio} b @returns {Ratio} */
export const multiply = (a, b) => ratio(a.n * b.n, a.d * b.d);
/** @param {Ratio} a @param {Ratio} b not zero @returns {Ratio} */
export const divide = (a, b) => ratio(a.n * b.d, a.d * b.n);

/**
 * @param {Ratio} a
 * @param {Ratio} b
 * @returns {number} below, at or above zero, as sorting wants it
 */
export function compare(a, b) {
  const difference = a.n * b.d - b.n * a.d;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** @param {Ratio} a @param {Ratio} b @returns {Ratio} */
export const least = (a, b) => (compare(a, b) <= 0 ? a : b);
/** @param {Ratio} a @param {Ratio} b @returns {Ratio} */
export const greatest = (a, b) => (compare(a, b) >= 0 ? a : b);

/** @param {Ratio[]} all @returns {Ratio} */
export const sum = (all) => all.reduce(add, ZERO);

/** @param {Ratio} a @returns {bigint} the largest whole number that is not above it */
export function floor(a) {
  const quotient = a.n / a.d;
  return a.n < 0n && a.n % a.d !== 0n ? quotient - 1n : quotient;
}
