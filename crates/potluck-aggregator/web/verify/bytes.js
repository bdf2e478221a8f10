// Bytes as text and back, one spelling a value: what is signed and hashed must be read alike by everybody, so
// upper-case digits, missing padding and stray bits are refused rather than forgiven.

import { refuse } from "./refused.js";

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ENCODER = new TextEncoder();
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * @param {string} text
 * @returns {Uint8Array} its UTF-8
 */
export function utf8(text) {
  return ENCODER.encode(text);
}

/**
 * @param {Uint8Array} bytes
 * @param {string} what names it in the refusal
 * @returns {string}
 */
export function textOf(bytes, what) {
  try {
    return STRICT.decode(bytes);
  } catch {
    return refuse(`${what} is not UTF-8 text`);
  }
}

/**
 * @param {Uint8Array} bytes
 * @returns {string} lower-case hexadecimal digits
 */
export function hex(bytes) {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/**
 * @param {unknown} text
 * @param {number} length of the value in bytes
 * @param {string} what
 * @returns {Uint8Array}
 */
export function fromHex(text, length, what) {
  if (typeof text !== "string" || text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) {
    refuse(`${what} is not ${2 * length} lower-case hexadecimal digits`);
  }
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) bytes[at] = parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/**
 * Base64 with padding (RFC 4648, section 4) in its one spelling.
 * @param {unknown} text
 * @param {string} what
 * @returns {Uint8Array}
 */
export function fromBase64(text, what) {
  if (typeof text !== "string" || !BASE64.test(text)) refuse(`${what} is not base64`);
  const decoded = atob(text);
  // The pattern lets stray bits in the last digit through; writing the value again shows them.
  if (btoa(decoded) !== text) refuse(`${what} is not base64`);
  return Uint8Array.from(decoded, (character) => character.charCodeAt(0));
}

/**
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 * @returns {boolean}
 */
export function equal(a, b) {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/**
 * @param {...Uint8Array} parts
 * @returns {Uint8Array}
 */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * An unsigned number as 4 or 8 little-endian bytes.
 * @param {number | bigint} value
 * @param {4 | 8} width
 * @returns {Uint8Array}
 */
export function littleEndian(value, width) {
  const bytes = new Uint8Array(width);
  let rest = BigInt(value);
  for (let at = 0; at < width; at += 1) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  if (rest !== 0n) refuse(`${value} does not fit ${width} bytes`);
  return bytes;
}

/**
 * An ASCII decimal without sign or leading zero, as C2SP texts write numbers. What a double does not hold exactly is
 * refused: no ledger has so many entries.
 * @param {string} text
 * @param {string} what
 * @returns {number}
 */
export function decimal(text, what) {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text) || !Number.isSafeInteger(Number(text))) {
    refuse(`${what} is not a number that a ledger can have`);
  }
  return Number(text);
}
