// The explorer of the front over 500 evaluated points of eight parties: more than one round can have.
import { explore } from "/web/front/page.js";

const parties = Array.from({ length: 8 }, (_, number) => `party-${number}`);
// A stream of numbers that is the same each time (a linear congruence, as in Numerical Recipes).
let state = 1;
const next = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const gain = (share, party) => Math.round(1e6 * (0.2 + 0.6 * share[party] + 0.4 * share[(party + 1) % 8]));
const points = Array.from({ length: 500 }, (_, candidate) => {
  const parts = parties.map(() => -Math.log(1 - next()));
  const sum = parts.reduce((total, part) => total + part, 0);
  const ppm = parts.map((part) => Math.round((part / sum) * 1e6));
  ppm[0] += 1e6 - ppm.reduce((total, part) => total + part, 0);
  const share = ppm.map((part) => part / 1e6);
  return {
    candidate,
    what: candidate === 7 ? "agreed" : "candidate",
    party: null,
    lambda: { text: "", ppm: Object.fromEntries(parties.map((party, number) => [party, ppm[number]])) },
    is_evaluated: true,
    gains: parties.map((party, number) => ({ party, mean: gain(share, number), error: 20_000 })),
  };
});
const models = parties.map((party, number) => ({
  party,
  linear: parties.map((_, other) => gain(parties.map((_, it) => (it === other ? 1 : 0)), number)),
  pairs: Array.from({ length: 28 }, () => 0),
}));
const root = document.getElementById("crowd");
root.id = "explorer";
explore(root, { round: 1, parties, points, models, base: null, in_force: null, morl: null }, "crowd/model");
