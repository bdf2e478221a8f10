// SVG by hand: elements, scales, ticks, and the shapes by which kinds of points are told apart.

const NAMESPACE = "http://www.w3.org/2000/svg";

/**
 * An SVG element with attributes and children.
 * @param {string} name
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/**
 * A straight map from one range to another.
 * @param {[number, number]} domain
 * @param {[number, number]} range
 * @returns {(value: number) => number}
 */
export function scale([low, high], [from, to]) {
  const factor = (to - from) / (high - low || 1);
  return (value) => from + (value - low) * factor;
}

/**
 * Round numbers that cover a range, about as many as wanted.
 * @param {number} low
 * @param {number} high
 * @param {number} [count]
 * @returns {number[]}
 */
export function ticks(low, high, count = 5) {
  const rough = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= rough) ?? power;
  const marks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) marks.push(k * step);
  return marks;
}

/**
 * The range of some numbers, with a margin, and with zero in it.
 * @param {number[]} values
 * @returns {[number, number]}
 */
export function extent(values) {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const margin = (high - low || 1) * 0.06;
  return [low - margin, high + margin];
}

/** Per cent of a number of millionths. @param {number} ppm */
export function percent(ppm) {
  const value = ppm / 10_000;
  const digits = Math.abs(value) < 10 ? 1 : 0;
  // Nothing is less than nothing.
  const text = value.toLocaleString("en", { maximumFractionDigits: digits }).replace(/^-0$/, "0");
  return `${text.replace("-", "−")} %`;
}

/** Shapes of 10 by 10 around the origin. @type {Record<string, string>} */
const SHAPES = {
  candidate: "M0-4a4 4 0 1 1 0 8a4 4 0 1 1 0-8z",
  base: "M0-6L6 0L0 6L-6 0z",
  expert: "M0-6L6 5H-6z",
  entitlement: "M-5-5H5V5H-5z",
  run: "M-5-5L5 5M5-5L-5 5",
};

/**
 * The mark of one kind of point; hollow where nobody tried it out.
 * @param {string} kind
 * @param {number} x
 * @param {number} y
 * @param {string} title What it says to those who point at it.
 */
export function mark(kind, x, y, title, isEvaluated = true) {
  const shape = kind === "agreed" ? star(9) : SHAPES[kind] ?? SHAPES.candidate;
  const drawn = svg("path", { d: shape, class: `mark-of ${kind}${isEvaluated ? "" : " unseen"}` }, svg("title", {}, title));
  return svg("g", { transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` }, drawn);
}

/** A star of five points. @param {number} radius */
function star(radius) {
  const corner = (k) => {
    const [angle, far] = [(k * Math.PI) / 5 - Math.PI / 2, k % 2 ? radius * 0.45 : radius];
    return `${(Math.cos(angle) * far).toFixed(2)} ${(Math.sin(angle) * far).toFixed(2)}`;
  };
  return `M${[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(corner).join("L")}z`;
}

/** Where a pointer is, in the chart's own units. @param {SVGSVGElement} chart @param {PointerEvent} event */
export function place(chart, event) {
  const matrix = chart.getScreenCTM();
  const point = new DOMPoint(event.clientX, event.clientY);
  return matrix ? point.matrixTransform(matrix.inverse()) : point;
}
