// Decides each case of tests/vectors/bargain/decisions.json.
import { choose } from "/web/decide/bargain.js";
import { lattice } from "/web/decide/design.js";
import { decide } from "/web/decide/phantom.js";
import { weightedMean } from "/web/decide/shares.js";

export async function run() {
  const cases = await (await fetch("/vectors/bargain/decisions.json")).json();
  const report = { right: { entitlements: 0, lattices: 0, bargains: 0 }, wrong: [] };
  const compare = (kind, at, found, expected) => {
    if (JSON.stringify(found) === JSON.stringify(expected)) report.right[kind] += 1;
    else report.wrong.push({ kind, at, found, expected });
  };
  cases.entitlements.forEach(({ rule, floors, ballots, lambda }, at) => {
    compare("entitlements", at, rule === "mean" ? weightedMean(ballots) : decide(rule, ballots, floors), lambda);
  });
  cases.lattices.forEach((points, at) => compare("lattices", at, lattice(at + 1), points));
  cases.bargains.forEach(({ rule, veto, fallback, candidates, parties, bounds, ranked, excluded }, at) => {
    const found = choose({ candidates, parties, bounds }, rule, veto, fallback);
    const listed = (all) => all.map(({ candidate, reason, at: of }) => [candidate, reason, of]);
    compare("bargains", at, [found.ranked, listed(found.excluded)], [ranked, listed(excluded)]);
  });
  return report;
}
