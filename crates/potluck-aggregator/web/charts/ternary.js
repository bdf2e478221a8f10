// λ of three parties as a place in a triangle: each corner is one expert, each side a soup of two.
//
// The shade says where, as far as is expected, everybody gains: the more the party that gains least gets, the
// deeper. Where somebody would lose, there is none.

import { mark, percent, place, scale, svg } from "./svg.js";

const [WIDTH, HEIGHT] = [640, 580];
const CORNERS = [[320, 44], [40, 528], [600, 528]];

/** Cells along a side: small enough to be a shade, few enough to be drawn at once. */
const CELLS = 24;

/** @param {number[]} lambda Parts per million. @returns {[number, number]} */
function spot(lambda) {
  const at = (axis) => CORNERS.reduce((sum, corner, party) => sum + (corner[axis] * lambda[party]) / 1e6, 0);
  return [at(0), at(1)];
}

/** The λ of a place, the nearest one in the triangle. @returns {number[]} */
function shares(x, y) {
  const [[ax, ay], [bx, by], [cx, cy]] = CORNERS;
  const area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy);
  const first = ((by - cy) * (x - cx) + (cx - bx) * (y - cy)) / area;
  const second = ((cy - ay) * (x - cx) + (ax - cx) * (y - cy)) / area;
  return whole([first, second, 1 - first - second]);
}

/** Brings shares to whole parts per thousand that are not negative and sum to one. @param {number[]} parts */
export function whole(parts) {
  const held = parts.map((part) => Math.max(0, part));
  const sum = held.reduce((total, part) => total + part, 0) || 1;
  const rounded = held.map((part) => Math.round((part / sum) * 1000) * 1000);
  const largest = rounded.indexOf(Math.max(...rounded));
  rounded[largest] += 1e6 - rounded.reduce((total, part) => total + part, 0);
  return rounded;
}

/**
 * The triangle; `onMove` hears of each λ that is picked.
 * @param {import("../front/model.js").Front} front
 * @param {number[]} start
 * @param {(lambda: number[]) => void} onMove
 */
export function ternary(front, start, onMove) {
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart" });
  chart.append(shade(front), svg("path", { d: `M${CORNERS.map((it) => it.join(" ")).join("L")}z`, class: "axis" }));
  CORNERS.forEach(([x, y], party) => {
    // Names of the lower corners begin and end with the picture: on a phone they are large.
    const [below, anchor, at] = [[-16, "middle", x], [34, "start", 4], [34, "end", WIDTH - 4]][party];
    chart.append(svg("text", { x: at, y: y + below, "text-anchor": anchor, class: "name" }, front.parties[party]));
  });
  for (const point of front.points.filter((it) => it.lambda)) {
    const [x, y] = spot(point.lambda);
    const gains = point.gain.map((gain, party) => (gain === null ? "" : `${front.parties[party]} ${percent(gain)}`));
    chart.append(mark(point.kind, x, y, `${point.label}: ${gains.filter(Boolean).join(", ")}`, point.isEvaluated));
  }
  const handle = svg("circle", { r: 12, class: "here handle", "pointer-events": "all" });
  chart.append(handle);
  const show = (lambda) => {
    const [x, y] = spot(lambda);
    handle.setAttribute("cx", String(x));
    handle.setAttribute("cy", String(y));
  };
  show(start);
  follow(chart, (x, y) => onMove(shares(x, y)));
  return { chart, show };
}

/** Follows a finger or a mouse from where it goes down. */
function follow(chart, onPlace) {
  const tell = (event) => {
    const { x, y } = place(chart, event);
    onPlace(x, y);
  };
  chart.addEventListener("pointerdown", (event) => {
    chart.setPointerCapture(event.pointerId);
    tell(event);
  });
  chart.addEventListener("pointermove", (event) => {
    if (chart.hasPointerCapture(event.pointerId)) tell(event);
  });
}

/** Small triangles, by what the party that gains least is expected to gain there. */
function shade(front) {
  const group = svg("g");
  const cells = [];
  for (let i = 0; i < CELLS; i += 1) {
    for (let j = 0; i + j < CELLS; j += 1) {
      const k = CELLS - 1 - i - j;
      cells.push([[i + 1, j, k], [i, j + 1, k], [i, j, k + 1]]);
      if (k > 0) cells.push([[i + 1, j + 1, k - 1], [i + 1, j, k], [i, j + 1, k]]);
    }
  }
  const least = (cell) => {
    const middle = [0, 1, 2].map((party) => cell.reduce((sum, corner) => sum + corner[party], 0) / (3 * CELLS));
    const { gain } = front.at(middle.map((part) => part * 1e6));
    return gain.includes(null) ? -1 : Math.min(...gain);
  };
  const values = cells.map(least);
  const opacity = scale([0, Math.max(1, ...values)], [0.05, 0.5]);
  cells.forEach((cell, number) => {
    if (values[number] <= 0) return;
    const corners = cell.map((corner) => spot(corner.map((part) => (part / CELLS) * 1e6)).map((it) => it.toFixed(1)).join(" "));
    group.append(svg("path", { d: `M${corners.join("L")}z`, class: "cell", opacity: opacity(values[number]).toFixed(2) }));
  });
  return group;
}
