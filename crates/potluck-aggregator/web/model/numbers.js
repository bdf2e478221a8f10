// The formats of numbers in files of weights: each to binary64, exactly, and from it with one rounding to nearest even.

import { refuse } from "../verify/refused.js";

/** Bits of the fraction, the exponent's bias, and the code of the largest finite number. */
const NARROW = {
  F16: { fraction: 10, bias: 15, largest: 0x7bff },
  BF16: { fraction: 7, bias: 127, largest: 0x7f7f },
  F8_E4M3: { fraction: 3, bias: 7, largest: 0x7e },
  F8_E5M2: { fraction: 2, bias: 15, largest: 0x7b },
};

const VIEWS = { F64: Float64Array, F32: Float32Array, F16: Uint16Array, BF16: Uint16Array, F8_E4M3: Uint8Array, F8_E5M2: Uint8Array };

/** The formats that are trained and mixed; all others are compared and copied. */
export const NUMBERS = Object.keys(VIEWS);

/** @type {WeakMap<object, Float32Array | Float64Array>} */
const known = new WeakMap();

/**
 * A tensor's numbers, all finite; kept, since an expert is mixed again and again.
 * @param {import("./safetensors.js").Tensor} tensor
 * @returns {Float32Array | Float64Array}
 */
export function numbersOf(tensor) {
  const values = known.get(tensor) ?? read(tensor);
  known.set(tensor, values);
  return values;
}

/** A view needs an aligned place, which a tensor in a file need not have: so the bytes are copied. Browsers run on
 * little-endian machines alone. */
function read({ name, dtype, bytes }) {
  const view = new VIEWS[dtype](bytes.slice().buffer);
  const format = NARROW[dtype];
  const values = format === undefined ? view : Float64Array.from(view, (code) => widened(code, format, 8 * view.BYTES_PER_ELEMENT));
  if (!values.every(Number.isFinite)) refuse(`a number of ${name} is not finite`);
  return values;
}

/**
 * Rounds numbers to a format; one that is too large for it is refused.
 * @param {Float64Array} values
 * @param {string} dtype
 * @param {string} name
 * @returns {Uint8Array}
 */
export function bytesOf(values, dtype, name) {
  const format = NARROW[dtype];
  const out = new VIEWS[dtype](values.length);
  const bits = 8 * out.BYTES_PER_ELEMENT;
  const magnitude = (1 << (bits - 1)) - 1;
  for (let at = 0; at < values.length; at += 1) {
    out[at] = format === undefined ? values[at] : narrowed(values[at], format, bits);
    const fits = format === undefined ? Number.isFinite(out[at]) : (out[at] & magnitude) <= format.largest;
    if (!fits) refuse(`a number of ${name} would be larger than ${dtype} holds`);
  }
  return new Uint8Array(out.buffer);
}

function widened(code, { fraction, bias, largest }, bits) {
  const sign = code >> (bits - 1) === 0 ? 1 : -1;
  const magnitude = code & ((1 << (bits - 1)) - 1);
  if (magnitude > largest) return NaN;
  const [exponent, rest] = [magnitude >> fraction, magnitude & ((1 << fraction) - 1)];
  if (exponent === 0) return sign * rest * 2 ** (1 - bias - fraction);
  return sign * ((1 << fraction) + rest) * 2 ** (exponent - bias - fraction);
}

/** The code of the nearest number; above the largest one where there is none. */
function narrowed(value, { fraction, bias, largest }, bits) {
  const sign = value < 0 || Object.is(value, -0) ? 1 << (bits - 1) : 0;
  const size = Math.abs(value);
  if (!Number.isFinite(size)) return sign + largest + 1;
  const least = 1 - bias;
  const exponent = Math.max(least, size === 0 ? least : exponentOf(size));
  // Scaling by a power of two is exact, and leaves fewer whole bits than a double has.
  const steps = halfToEven(size / 2 ** (exponent - fraction));
  // A carry out of the fraction goes into the exponent, as it should: codes of one sign are in order of size.
  return sign + Math.min((exponent - least) * 2 ** fraction + steps, largest + 1);
}

/** ⌊log2⌋, from the double's own exponent: the logarithm function may round up across a power of two. */
function exponentOf(size) {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, size);
  const exponent = (view.getUint16(0) >> 4) & 0x7ff;
  return exponent === 0 ? -1074 : exponent - 1023;
}

function halfToEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
