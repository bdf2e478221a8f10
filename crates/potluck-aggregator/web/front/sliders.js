// A slider for each party. Moved, it takes from the others in proportion, so that the shares go on to sum to one.

import { percent } from "../charts/svg.js";

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
  const left = (1e6 - ppm) / 1e6;
  // With nothing to keep in proportion, all others get alike.
  const shares = lambda.map((it) => (rest > 0 ? it / rest : 1 / Math.max(1, lambda.length - 1)));
  const parts = lambda.map((_, party) => (party === which ? 0 : Math.floor(shares[party] * left * 1000 + 1e-6) * 1000));
  // What rounding leaves is another's, so that the one that was moved is where it was put.
  const largest = parts.indexOf(Math.max(...parts.filter((_, party) => party !== which)));
  const other = largest === which ? (which + 1) % lambda.length : largest;
  parts[other] += 1e6 - ppm - parts.reduce((sum, part) => sum + part, 0);
  parts[which] = ppm;
  return parts;
}
