// The pictures that there are for so many parties, one at a time. Each is drawn once, and then only told where one is.

import { parallel } from "../charts/parallel.js";
import { mark, svg } from "../charts/svg.js";
import { scatter } from "../charts/scatter.js";
import { ternary } from "../charts/ternary.js";

const KINDS = {
  candidate: "tried out",
  entitlement: "fallback, where there is no deal",
  agreed: "agreed",
  expert: "one party's expert",
  base: "base",
  run: "trained for all at once: the operator's figures",
};

/**
 * @param {import("./model.js").Front} front
 * @param {HTMLElement} box
 * @param {(lambda: number[]) => void} onMove
 * @returns {(lambda: number[]) => void} shows where one is
 */
export function pictures(front, box, onMove) {
  const count = front.parties.length;
  const names = {
    ...(count === 3 ? { mixtures: "Mixtures" } : {}),
    gains: count === 2 ? "Gains" : "Gains of two",
    ...(count > 2 ? { all: "Gains of all" } : {}),
  };
  let shown = count === 3 ? "mixtures" : count === 2 ? "gains" : "all";
  const pair = [0, 1];
  const [bar, place] = [document.createElement("div"), document.createElement("div")];
  bar.className = "row";
  let [drawn, here] = [null, front.start];
  const draw = (lambda) => {
    here = lambda;
    if (drawn === null) {
      drawn = shown === "mixtures" ? ternary(front, lambda, onMove) : shown === "all" ? parallel(front) : scatter(front, pair);
      place.replaceChildren(drawn.chart, legend(front, shown));
    }
    drawn.show(lambda);
  };
  const anew = () => {
    drawn = null;
    axes.forEach((it) => { it.hidden = shown !== "gains" || count === 2; });
    draw(here);
  };
  const axes = [0, 1].map((axis) => selector(axis ? "up" : "along", front.parties, pair[axis], (party) => {
    pair[axis] = party;
    anew();
  }));
  const kinds = Object.keys(names);
  if (kinds.length > 1) {
    bar.append(selector("Show", Object.values(names), kinds.indexOf(shown), (number) => {
      shown = kinds[number];
      anew();
    }));
  }
  bar.append(...axes);
  axes.forEach((it) => { it.hidden = shown !== "gains" || count === 2; });
  box.append(bar, place);
  return draw;
}

/** A choice of one of these, by its number. */
export function selector(title, options, chosen, onChoose) {
  const [label, select] = [document.createElement("label"), document.createElement("select")];
  options.forEach((name, number) => select.append(new Option(name, String(number), false, number === chosen)));
  select.addEventListener("change", () => onChoose(Number(select.value)));
  label.append(`${title} `, select);
  return label;
}

/** What the marks of this picture mean. */
function legend(front, shown) {
  const list = document.createElement("ul");
  list.className = "legend";
  const sample = (viewBox, shape, text) => {
    const item = document.createElement("li");
    item.append(svg("svg", { viewBox, class: "chart", "aria-hidden": "true" }, shape), text);
    list.append(item);
  };
  const is = { mixtures: shown === "mixtures", gains: shown === "gains", all: shown === "all" };
  // The base is no mixture, so it has no place among these; and lines have no marks.
  const there = [...front.points, ...front.runs].filter((point) => !is.all && (is.gains || point.lambda));
  for (const kind of Object.keys(KINDS)) {
    if (there.some((point) => point.kind === kind)) sample("-10 -10 20 20", mark(kind, 0, 0, ""), KINDS[kind]);
  }
  if (there.some((point) => !point.isEvaluated && point.lambda)) sample("-10 -10 20 20", mark("expert", 0, 0, "", false), "hollow: predicted, not tried out");
  const line = (kind, text) => sample("0 0 20 20", svg("path", { d: "M0 10H20", class: kind }), text);
  if (is.all) {
    line("line here", "chosen; dashed where it is predicted");
    line("line near", "tried out nearby");
    line("line", "tried out");
    if (front.points.some((point) => point.kind === "agreed")) line("line agreed", "agreed");
    if (front.runs.length > 0) line("line run", KINDS.run);
  }
  if (!is.mixtures && front.evaluated.length > 0) sample("0 0 20 20", svg("path", { d: "M10 1V19", class: "error strong" }), "two standard errors each way");
  if (is.gains && front.models.size > 0) line("path", "predicted, of these two alone");
  if (is.mixtures && front.models.size > 0) sample("0 0 20 20", svg("rect", { width: 20, height: 20, class: "cell", opacity: 0.4 }), "predicted: everybody gains");
  return list;
}
