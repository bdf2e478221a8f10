// Files of weights: a length, a JSON header, the data. Strict, since they come from anybody: the rules are those of
// `docs/formats.md`, "Layout of a file of weights"; beside them, escapes in names, and names that are numbers, are refused here.

import { textOf, utf8, concat, littleEndian } from "../verify/bytes.js";
import { refuse } from "../verify/refused.js";

const MAX_HEADER = 16_777_216;
const MAX_TENSORS = 131_072;

/** Bytes of an element. */
export const WIDTHS = {
  F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2,
  F8_E4M3: 1, F8_E5M2: 1, I8: 1, U8: 1, BOOL: 1,
};

/**
 * @typedef {{name: string, dtype: keyof typeof WIDTHS, shape: number[], bytes: Uint8Array}} Tensor
 */

/**
 * @param {Uint8Array} file
 * @param {string} what names it in refusals
 * @returns {Map<string, Tensor>} in the order of the header; the bytes are views of the file
 */
export function readTensors(file, what) {
  if (file.length < 8) refuse(`${what} is too short for a safetensors file`);
  const length = new DataView(file.buffer, file.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER) || length > BigInt(file.length - 8)) refuse(`${what} has a header that is too long`);
  const start = 8 + Number(length);
  const header = parseHeader(textOf(file.subarray(8, start), what), what);
  const tensors = new Map();
  const data = file.subarray(start);
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    tensors.set(name, tensor(name, value, data, what));
  }
  if (tensors.size > MAX_TENSORS) refuse(`${what} has more than ${MAX_TENSORS} tensors`);
  checkWhole(tensors, data, what);
  return tensors;
}

/** JSON.parse keeps the last of two equal names: writing it again, without white space, shows that one is missing. */
function parseHeader(text, what) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    refuse(`${what} has a header that is not JSON`);
  }
  const dense = text.replace(/("(?:[^"\\]|\\.)*")|[ \t\r\n]+/g, (_, string) => string ?? "");
  if (!/^\{[^]*\} *$/.test(text) || JSON.stringify(value) !== dense) {
    refuse(`${what} has a header that is not written in one way`);
  }
  return value;
}

/** @returns {Tensor & {from: number, to: number}} */
function tensor(name, value, data, what) {
  if (!/^[A-Za-z0-9._-]{1,256}$/.test(name) || name === "." || name === "..") {
    refuse(`${what} has a tensor whose name is not allowed`);
  }
  const ordered = { dtype: value?.dtype, shape: value?.shape, data_offsets: value?.data_offsets };
  const { dtype, shape, data_offsets: offsets } = ordered;
  const isList = (list) => Array.isArray(list) && list.every((it) => Number.isSafeInteger(it) && it >= 0);
  const hasFields = typeof value === "object" && value !== null && Object.keys(value).length === 3;
  if (!hasFields || !Object.hasOwn(WIDTHS, dtype) || !isList(shape) || shape.length > 8 || !isList(offsets)) {
    refuse(`${what} describes the tensor ${name} in a way that is not known here`);
  }
  const size = shape.reduce((product, side) => product * side, WIDTHS[dtype]);
  const [from, to] = offsets;
  if (offsets.length !== 2 || from > to || to > data.length || to - from !== size) {
    refuse(`${what} gives the tensor ${name} another number of bytes than its shape has`);
  }
  return { name, dtype, shape, bytes: data.subarray(from, to), from, to };
}

/** No hole, no overlap, no byte after the last tensor. */
function checkWhole(tensors, data, what) {
  const places = [...tensors.values()].sort((a, b) => a.from - b.from || a.to - b.to);
  let at = 0;
  for (const { name, from, to } of places) {
    if (from !== at) refuse(`${what} has a hole or an overlap before the tensor ${name}`);
    at = to;
  }
  if (at !== data.length) refuse(`${what} has bytes that belong to no tensor`);
}

/**
 * The file of a soup, in its one spelling: wider elements first, then by name; a header that is padded to 8 bytes.
 * @param {Tensor[]} tensors
 * @param {string} recipe its digest
 * @returns {Uint8Array}
 */
export function writeSoup(tensors, recipe) {
  // Names are ASCII, so that comparing texts compares bytes.
  const byPlace = (a, b) => WIDTHS[b.dtype] - WIDTHS[a.dtype] || (a.name < b.name ? -1 : 1);
  const ordered = [...tensors].sort(byPlace);
  let at = 0;
  const entries = ordered.map(({ name, dtype, shape, bytes }) => {
    const from = at;
    at += bytes.length;
    // Written by hand: JavaScript would put a name that is a number first.
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [from, at] })}`;
  });
  const metadata = `"__metadata__":${JSON.stringify({ format: "pt", recipe })}`;
  const header = `{${[metadata, ...entries].join(",")}}`;
  const padded = utf8(header.padEnd(Math.ceil(header.length / 8) * 8, " "));
  return concat(littleEndian(padded.length, 8), padded, ...ordered.map(({ bytes }) => bytes));
}
