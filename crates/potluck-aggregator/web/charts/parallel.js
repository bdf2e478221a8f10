// What many parties gain: an upright axis for each, a line for each soup. Up is better on every axis.
//
// What was tried out is drawn once; what moves with λ is the line of the soup that is chosen, and which lines stand out.

import { extent, percent, scale, svg, ticks } from "./svg.js";

const [WIDTH, HEIGHT] = [640, 420];
const EDGE = { left: 56, right: 40, top: 40, bottom: 20 };

/** From so many lines on each is fainter: one sees where they are dense. */
const MANY = 60;

/** @param {import("../front/model.js").Front} front */
export function parallel(front) {
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img" });
  chart.append(svg("title", {}, "Gains of all parties, a line for each soup. The table below has every point."));
  const known = (point) => point.gain.filter((gain) => gain !== null);
  const range = extent([...front.evaluated, ...front.runs].flatMap(known));
  const x = scale([0, Math.max(1, front.parties.length - 1)], [EDGE.left, WIDTH - EDGE.right]);
  const y = scale(range, [HEIGHT - EDGE.bottom, EDGE.top]);
  chart.append(axes(front.parties, x, y, range));
  const path = (point) => {
    const seen = point.gain.map((gain, party) => (gain === null ? null : `${x(party).toFixed(1)} ${y(gain).toFixed(1)}`));
    return `M${seen.filter(Boolean).join("L")}`;
  };
  const many = front.evaluated.length > MANY ? " many" : "";
  const lines = svg("g", { class: `lines${many}` });
  const drawn = new Map();
  for (const point of [...front.runs, ...front.evaluated]) {
    const kind = point.kind === "run" || point.kind === "agreed" ? `line ${point.kind}` : "line";
    const line = svg("path", { d: path(point), class: kind }, svg("title", {}, point.label));
    drawn.set(point, line);
    lines.append(line);
  }
  const here = svg("path", { class: "line here" });
  const whiskers = svg("g", { class: "error strong" });
  // One that was evaluated is told apart by its whiskers, one that is predicted by its dashes.
  chart.append(lines, whiskers, here);
  let near = [];
  const show = (lambda) => {
    near.forEach((point) => drawn.get(point)?.classList.remove("near"));
    near = front.near(lambda, 3);
    near.forEach((point) => drawn.get(point)?.classList.add("near"));
    const now = front.at(lambda);
    here.setAttribute("d", now.how === "unknown" ? "" : path(now));
    here.classList.toggle("predicted", now.how === "predicted");
    whiskers.replaceChildren(...errors(now, x, y));
  };
  return { chart, show };
}

function axes(parties, x, y, [low, high]) {
  const group = svg("g");
  for (const tick of ticks(low, high)) {
    const across = { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(tick), y2: y(tick) };
    group.append(svg("line", { ...across, class: tick ? "axis" : "zero" }));
    group.append(svg("text", { x: EDGE.left - 8, y: y(tick) + 4, "text-anchor": "end" }, percent(tick)));
  }
  parties.forEach((name, party) => {
    group.append(svg("line", { x1: x(party), x2: x(party), y1: EDGE.top, y2: HEIGHT - EDGE.bottom, class: "axis" }));
    // Long names on many axes would run into one another: every other one stands higher.
    const up = parties.length > 4 && party % 2 ? 26 : 12;
    group.append(svg("text", { x: x(party), y: EDGE.top - up, "text-anchor": "middle", class: "name" }, name));
  });
  return group;
}

/** Two standard errors each way, on each axis. */
function errors(now, x, y) {
  return now.error.flatMap((error, party) => {
    if (error === null || now.gain[party] === null) return [];
    const [high, low] = [y(now.gain[party] + 2 * error), y(now.gain[party] - 2 * error)];
    return [svg("line", { x1: x(party), x2: x(party), y1: high, y2: low })];
  });
}
