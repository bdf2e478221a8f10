// What many parties gain: an upright axis for each, a line for each soup. Up is better on every axis.

import { extent, percent, scale, svg, ticks } from "./svg.js";

const [WIDTH, HEIGHT] = [640, 420];
const EDGE = { left: 56, right: 40, top: 40, bottom: 20 };

/**
 * @param {import("../front/model.js").Front} front
 * @param {number[]} here λ in parts per million.
 */
export function parallel(front, here) {
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img" });
  chart.append(svg("title", {}, "Gains of all parties, a line for each soup. The table below has every point."));
  const now = front.at(here);
  const gains = [...front.evaluated, now].flatMap((it) => it.gain.filter((gain) => gain !== null));
  const [low, high] = extent(gains);
  const x = scale([0, Math.max(1, front.parties.length - 1)], [EDGE.left, WIDTH - EDGE.right]);
  const y = scale([low, high], [HEIGHT - EDGE.bottom, EDGE.top]);
  for (const tick of ticks(low, high)) {
    const across = { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(tick), y2: y(tick) };
    chart.append(svg("line", { ...across, class: tick ? "axis" : "zero" }));
    chart.append(svg("text", { x: EDGE.left - 8, y: y(tick) + 4, "text-anchor": "end" }, percent(tick)));
  }
  front.parties.forEach((name, party) => {
    chart.append(svg("line", { x1: x(party), x2: x(party), y1: EDGE.top, y2: HEIGHT - EDGE.bottom, class: "axis" }));
    // Long names on many axes would run into one another: every other one stands higher.
    const up = front.parties.length > 4 && party % 2 ? 26 : 12;
    chart.append(svg("text", { x: x(party), y: EDGE.top - up, "text-anchor": "middle", class: "name" }, name));
  });
  const near = new Set(front.near(here, 3));
  const line = (point, kind) => {
    const seen = point.gain.map((gain, party) => (gain === null ? null : `${x(party).toFixed(1)} ${y(gain).toFixed(1)}`));
    return svg("path", { d: `M${seen.filter(Boolean).join("L")}`, class: kind }, svg("title", {}, point.label ?? "here"));
  };
  for (const point of front.evaluated) chart.append(line(point, near.has(point) ? "line near" : "line"));
  if (now.how !== "unknown") chart.append(line(now, "line here"));
  return chart;
}
