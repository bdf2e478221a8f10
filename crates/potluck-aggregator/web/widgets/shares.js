// Sliders that always sum to one million: moving one shares the rest out among the others as they stood.

const MILLION = 1_000_000;

/**
 * @param {number[]} shares in parts per million
 * @param {number} at which one is moved
 * @param {number} to its new share
 * @returns {number[]}
 */
export function moved(shares, at, to) {
  const target = Math.max(0, Math.min(MILLION, Math.round(to)));
  const [left, before] = [MILLION - target, MILLION - shares[at]];
  const others = shares.map((share, k) => {
    if (k === at) return 0;
    // Where the others had nothing, they get equal parts.
    return before === 0 ? left / (shares.length - 1) : (share * left) / before;
  });
  return rounded(others, at, target);
}

/** Whole parts whose sum is exact: the largest remainders get what is missing, the earlier first. */
function rounded(others, at, target) {
  const shares = others.map(Math.floor);
  shares[at] = target;
  const order = others.map((value, k) => ({ k, rest: value - Math.floor(value) })).filter(({ k }) => k !== at);
  order.sort((a, b) => b.rest - a.rest || a.k - b.k);
  let missing = MILLION - shares.reduce((sum, share) => sum + share, 0);
  for (let next = 0; missing > 0; next = (next + 1) % order.length, missing -= 1) shares[order[next].k] += 1;
  return shares;
}
