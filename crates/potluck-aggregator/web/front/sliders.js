// A slider for each party. Moved, it takes from the others in proportion, so that the shares go on to sum to one.

import { percent } from "../charts/svg.js";
import { whole } from "../charts/ternary.js";

/**
 * @param {string[]} parties
 * @param {number[]} start Parts per million.
 * @param {(lambda: number[]) => void} onMove
 */
export function sliders(parties, start, onMove) {
  const box = document.createElement("div");
  let lambda = start;
  const inputs = parties.map((party, number) => {
    const row = document.createElement("div");
    const label = document.createElement("label");
    const input = document.createElement("input");
    const output = document.createElement("output");
    row.className = "slider";
    Object.assign(input, { type: "range", min: "0", max: "1000", step: "5", id: `share-${number}` });
    Object.assign(label, { htmlFor: input.id, textContent: party });
    output.htmlFor.add(input.id);
    input.addEventListener("input", () => onMove(moved(lambda, number, Number(input.value) * 1000)));
    row.append(label, input, output);
    box.append(row);
    return { input, output };
  });
  const show = (next) => {
    lambda = next;
    inputs.forEach(({ input, output }, number) => {
      input.value = String(next[number] / 1000);
      output.value = percent(next[number]);
      input.setAttribute("aria-valuetext", percent(next[number]));
    });
  };
  show(start);
  return { box, show };
}

/**
 * The shares once one of them is `ppm`.
 * @param {number[]} lambda @param {number} which @param {number} ppm
 */
export function moved(lambda, which, ppm) {
  const rest = 1e6 - lambda[which];
  const others = lambda.length - 1;
  // With nothing to keep in proportion, all others get alike.
  const parts = lambda.map((it, party) =>
    party === which ? ppm : rest > 0 ? (it * (1e6 - ppm)) / rest : (1e6 - ppm) / Math.max(1, others),
  );
  return whole(parts.map((part) => part / 1e6));
}
