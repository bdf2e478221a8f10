// What two parties gain, one along each axis: the front of a pair.

import { extent, mark, percent, scale, svg, ticks } from "./svg.js";

const [WIDTH, HEIGHT] = [640, 480];
const EDGE = { left: 64, right: 18, top: 16, bottom: 52 };

/** From so many points on whiskers are fainter. */
const MANY = 60;

/**
 * Draws the points and the path that soups of two experts are expected to take, once; `show` moves where one is.
 * @param {import("../front/model.js").Front} front
 * @param {[number, number]} pair The parties along the two axes.
 */
export function scatter(front, [a, b]) {
  const isKnown = (point) => point.gain[a] !== null && point.gain[b] !== null;
  const shown = [...front.runs, ...front.points].filter(isKnown);
  const path = between(front, a, b);
  const all = (party) => [...shown, ...path].map((it) => it.gain[party]);
  const [across, up] = [extent(all(a)), extent(all(b))];
  const x = scale(across, [EDGE.left, WIDTH - EDGE.right]);
  const y = scale(up, [HEIGHT - EDGE.bottom, EDGE.top]);
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img" });
  const names = `${front.parties[a]} along, ${front.parties[b]} up`;
  chart.append(svg("title", {}, `Gains of two parties: ${names}. The table below has every point.`));
  chart.append(axes(x, y, across, up, front.parties[a], front.parties[b]));
  if (path.length > 1) {
    const line = path.map((it) => `${x(it.gain[a]).toFixed(1)} ${y(it.gain[b]).toFixed(1)}`);
    chart.append(svg("path", { d: `M${line.join("L")}`, class: "path" }, svg("title", {}, "predicted")));
  }
  // Whiskers first: no mark is hidden by them.
  const errors = svg("g", { class: shown.length > MANY ? "error many" : "error" });
  shown.forEach((point) => errors.append(whiskers(point, a, b, x, y)));
  const marks = svg("g");
  for (const point of shown) {
    const gains = `${front.parties[a]} ${percent(point.gain[a])}, ${front.parties[b]} ${percent(point.gain[b])}`;
    marks.append(mark(point.kind, x(point.gain[a]), y(point.gain[b]), `${point.label}: ${gains}`, point.isEvaluated));
  }
  const here = svg("circle", { r: 10, class: "here" });
  chart.append(errors, marks, here);
  const show = (lambda) => {
    const now = front.at(lambda);
    here.setAttribute("visibility", isKnown(now) ? "visible" : "hidden");
    here.classList.toggle("predicted", now.how === "predicted");
    if (!isKnown(now)) return;
    here.setAttribute("cx", x(now.gain[a]).toFixed(1));
    here.setAttribute("cy", y(now.gain[b]).toFixed(1));
  };
  return { chart, show };
}

/** The soups of two experts alone, as they are expected to be. */
function between(front, a, b) {
  const steps = Array.from({ length: 41 }, (_, k) => k * 25_000);
  const soups = steps.map((ppm) => front.parties.map((_, party) => (party === a ? 1e6 - ppm : party === b ? ppm : 0)));
  return soups.map((lambda) => front.at(lambda)).filter((it) => it.gain[a] !== null && it.gain[b] !== null);
}

/** Two standard errors each way. */
function whiskers(point, a, b, x, y) {
  const [u, v] = [2 * (point.error[a] ?? 0), 2 * (point.error[b] ?? 0)];
  const [gainA, gainB] = [point.gain[a], point.gain[b]];
  const lines = [
    [x(gainA - u), y(gainB), x(gainA + u), y(gainB)],
    [x(gainA), y(gainB - v), x(gainA), y(gainB + v)],
  ];
  // One path for both: five hundred points have a thousand of them.
  return svg("path", { d: lines.map((it) => it.map((at) => at.toFixed(1))).map(([x1, y1, x2, y2]) => `M${x1} ${y1}L${x2} ${y2}`).join("") });
}

function axes(x, y, [left, right], [low, high], across, up) {
  const group = svg("g");
  const [floor, wall] = [HEIGHT - EDGE.bottom, EDGE.left];
  for (const tick of ticks(left, right)) {
    group.append(svg("line", { x1: x(tick), x2: x(tick), y1: EDGE.top, y2: floor, class: tick ? "axis" : "zero" }));
    group.append(svg("text", { x: x(tick), y: floor + 18, "text-anchor": "middle" }, percent(tick)));
  }
  for (const tick of ticks(low, high)) {
    group.append(svg("line", { x1: wall, x2: WIDTH - EDGE.right, y1: y(tick), y2: y(tick), class: tick ? "axis" : "zero" }));
    group.append(svg("text", { x: wall - 8, y: y(tick) + 4, "text-anchor": "end" }, percent(tick)));
  }
  const middle = (EDGE.top + floor) / 2;
  group.append(svg("text", { x: (wall + WIDTH) / 2, y: HEIGHT - 10, "text-anchor": "middle", class: "name" }, `gain of ${across}`));
  group.append(
    svg("text", { transform: `translate(14 ${middle}) rotate(-90)`, "text-anchor": "middle", class: "name" }, `gain of ${up}`),
  );
  return group;
}
