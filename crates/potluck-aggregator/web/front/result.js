// What one chose: what each party would gain, how that is known, and the line that loads that soup.

import { percent, scale, svg } from "../charts/svg.js";

/**
 * @param {import("./model.js").Front} front
 * @param {number[]} lambda
 */
export function gains(front, lambda) {
  const now = front.at(lambda);
  const box = document.createElement("div");
  box.className = "gains";
  const ends = now.gain.flatMap((gain, party) => (gain === null ? [] : [gain - 2 * (now.error[party] ?? 0), gain + 2 * (now.error[party] ?? 0)]));
  const [low, high] = [Math.min(0, -100_000, ...ends), Math.max(1_000_000, ...ends)];
  const x = scale([low, high], [0, 200]);
  front.parties.forEach((party, number) => {
    const [name, bar, value] = [document.createElement("span"), svg("svg", { viewBox: "0 0 200 16", preserveAspectRatio: "none", "aria-hidden": "true" }), document.createElement("span")];
    name.textContent = party;
    const gain = now.gain[number];
    if (gain === null) {
      value.textContent = "not known";
    } else {
      const error = 2 * (now.error[number] ?? 0);
      const [from, to] = [Math.min(x(0), x(gain)), Math.max(x(0), x(gain))];
      bar.append(svg("rect", { x: from, y: 3, width: Math.max(0.5, to - from), height: 10, class: `party-${number % 8}` }));
      bar.append(svg("line", { x1: x(gain - error), x2: x(gain + error), y1: 8, y2: 8, class: "whisker" }));
      bar.append(svg("line", { x1: x(0), x2: x(0), y1: 0, y2: 16, class: "middle" }));
      value.textContent = error ? `${percent(gain)} ± ${percent(error)}` : percent(gain);
    }
    box.append(name, bar, value);
  });
  return { box, how: sentence(front, now) };
}

function sentence(front, now) {
  const count = front.evaluated.length;
  if (now.how === "evaluated") return `Evaluated: this is “${now.point.label}”, which the parties tried out.`;
  if (now.how === "predicted") return `Predicted from the ${count} mixtures that the parties tried out; nobody tried this one.`;
  return "Too few mixtures were tried out to say what this one would do.";
}

/** The same in one breath, for those who hear the page. */
export function spoken(front, lambda) {
  const now = front.at(lambda);
  const each = front.parties.map((party, number) => (now.gain[number] === null ? `${party} is not known` : `${party} gains ${percent(now.gain[number])}`));
  return `${revision(front.parties, lambda)}: ${each.join(", ")}. ${sentence(front, now)}`;
}

/**
 * What was tried out nearest to λ, as a table.
 * @param {import("./model.js").Front} front
 * @param {number[]} lambda
 */
export function nearest(front, lambda) {
  const [scroll, table] = [document.createElement("div"), document.createElement("table")];
  scroll.className = "scroll";
  table.className = "nearest";
  const head = table.createTHead().insertRow();
  const cell = (row, text, name = "td") => row.append(Object.assign(document.createElement(name), { textContent: text, className: "number" }));
  head.append(Object.assign(document.createElement("th"), { textContent: "mixture" }));
  front.parties.forEach((party) => cell(head, party, "th"));
  const body = table.createTBody();
  for (const point of front.near(lambda, 3)) {
    const row = body.insertRow();
    row.append(Object.assign(document.createElement("th"), { textContent: point.label, title: revision(front.parties, point.lambda) }));
    point.gain.forEach((gain) => cell(row, gain === null ? "–" : percent(gain)));
  }
  scroll.append(table);
  return scroll;
}

/**
 * λ as one writes it: decimals, without the parties that have no share.
 * @param {string[]} parties @param {number[]} lambda
 */
export function revision(parties, lambda) {
  const shares = parties.map((party, number) => [party, lambda[number]]).filter(([, ppm]) => ppm > 0);
  return shares.map(([party, ppm]) => `${party}=${Number((ppm / 1e6).toFixed(6))}`).join(",");
}

/** @param {string} repository @param {string} text */
export function code(repository, text) {
  return `AutoModelForCausalLM.from_pretrained("${repository}", revision="${text}")`;
}
