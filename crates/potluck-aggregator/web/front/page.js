// The page of the front: fetches the points, and ties picture, sliders and result together.

import { parallel } from "../charts/parallel.js";
import { mark, svg } from "../charts/svg.js";
import { scatter } from "../charts/scatter.js";
import { ternary } from "../charts/ternary.js";
import { Front } from "./model.js";
import { code, gains, nearest, revision } from "./result.js";
import { sliders } from "./sliders.js";

const KINDS = {
  candidate: "tried out",
  entitlement: "fallback, where there is no deal",
  agreed: "agreed",
  expert: "one party's expert",
  base: "base",
};

const root = document.getElementById("explorer");
if (root) {
  const answer = await fetch(`/api/v1/front${root.dataset.round ? `?round=${root.dataset.round}` : ""}`);
  if (answer.ok) explore(root, await answer.json(), root.dataset.repository ?? "");
}

/**
 * Builds the explorer in an element.
 * @param {HTMLElement} root
 * @param {any} answer What `/api/v1/front` gave.
 * @param {string} repository
 */
function explore(root, answer, repository) {
  const front = new Front(answer);
  const { parties, start } = front;
  if (parties.length < 2) return;
  let lambda = start;
  const [picture, side] = [document.createElement("div"), document.createElement("div")];
  root.replaceChildren(picture, side);
  root.classList.add("explorer");

  const view = parties.length === 3 ? "mixtures" : "gains";
  const draw = pictures(front, picture, view, (next) => move(next));
  const controls = sliders(parties, start, (next) => move(next));
  const result = document.createElement("div");
  result.setAttribute("aria-live", "polite");
  side.append(heading("Choose shares"), controls.box, snaps(front, (next) => move(next)), heading("What each would gain"), result);

  let isAsked = false;
  /** Redraws once a frame, however often it is moved. */
  const move = (next) => {
    lambda = next;
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      show();
    });
  };
  const show = () => {
    controls.show(lambda);
    draw(lambda);
    const { box, how } = gains(front, lambda);
    const loading = copyable(code(repository, revision(parties, lambda)));
    result.replaceChildren(box, paragraph(how), heading("Load it"), loading, heading("Tried out nearby"), nearest(front, lambda));
  };
  show();
}

/** The pictures that there are for so many parties, one at a time. */
function pictures(front, box, view, onMove) {
  const names = front.parties.length === 3 ? { mixtures: "Mixtures", gains: "Gains of two", all: "Gains of all" } : front.parties.length === 2 ? { gains: "Gains" } : { gains: "Gains of two", all: "Gains of all" };
  let [shown, pair, here] = [view in names ? view : "gains", [0, 1], null];
  if (front.parties.length > 3) shown = "all";
  const [bar, place] = [document.createElement("div"), document.createElement("div")];
  bar.className = "row";
  box.append(bar, place, legend(front));
  let triangle = null;
  const choose = chooser(names, shown, (next) => {
    shown = next;
    triangle = null;
    axes.forEach((it) => { it.hidden = shown !== "gains" || front.parties.length === 2; });
    draw(here);
  });
  const axes = [0, 1].map((axis) => selector(axis ? "up" : "along", front.parties, pair[axis], (party) => {
    pair[axis] = party;
    draw(here);
  }));
  if (Object.keys(names).length > 1) bar.append(choose);
  bar.append(...axes);
  axes.forEach((it) => { it.hidden = shown !== "gains" || front.parties.length === 2; });
  const draw = (lambda) => {
    here = lambda;
    if (shown === "mixtures") {
      if (!triangle) {
        triangle = ternary(front, lambda, onMove);
        place.replaceChildren(triangle.chart);
      }
      triangle.show(lambda);
    } else {
      place.replaceChildren(shown === "all" ? parallel(front, lambda) : scatter(front, pair, lambda));
    }
  };
  return draw;
}

function chooser(names, shown, onChoose) {
  return selector("Show", Object.values(names), Object.keys(names).indexOf(shown), (number) => onChoose(Object.keys(names)[number]));
}

function selector(title, options, chosen, onChoose) {
  const [label, select] = [document.createElement("label"), document.createElement("select")];
  options.forEach((name, number) => select.append(new Option(name, String(number), false, number === chosen)));
  select.addEventListener("change", () => onChoose(Number(select.value)));
  label.append(`${title} `, select);
  return label;
}

/** The points that one can go to at once. */
function snaps(front, onMove) {
  const there = front.points.filter((point) => point.lambda);
  const options = ["…", ...there.map((point) => point.label)];
  const row = document.createElement("div");
  row.className = "row";
  row.append(selector("Go to", options, 0, (number) => number > 0 && onMove(there[number - 1].lambda)));
  return row;
}

function legend(front) {
  const list = document.createElement("ul");
  list.className = "legend";
  for (const kind of Object.keys(KINDS)) {
    if (!front.points.some((point) => point.kind === kind)) continue;
    const item = document.createElement("li");
    item.append(svg("svg", { viewBox: "-10 -10 20 20", class: "chart", "aria-hidden": "true" }, mark(kind, 0, 0, "")), KINDS[kind]);
    list.append(item);
  }
  const sample = (shape, text) => {
    const item = document.createElement("li");
    item.append(svg("svg", { viewBox: "0 0 20 20", class: "chart", "aria-hidden": "true" }, shape), text);
    list.append(item);
  };
  sample(svg("path", { d: "M0 10H20", class: "path" }), "predicted");
  if (front.parties.length === 3) sample(svg("rect", { width: 20, height: 20, class: "cell", opacity: 0.4 }), "predicted: everybody gains");
  return list;
}

function heading(text) {
  return Object.assign(document.createElement("h3"), { textContent: text });
}

function paragraph(text) {
  return Object.assign(document.createElement("p"), { textContent: text, className: "soft" });
}

function copyable(text) {
  const [box, pre, button] = [document.createElement("div"), document.createElement("pre"), document.createElement("button")];
  box.className = "copy";
  pre.textContent = text;
  Object.assign(button, { type: "button", textContent: "Copy" });
  button.addEventListener("click", async () => {
    // Without TLS there is no clipboard for pages: the text is selected instead.
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(pre);
    }
  });
  box.append(pre, button);
  return box;
}
