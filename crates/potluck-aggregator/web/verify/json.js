// Compact JSON in its one spelling. What is signed has one text: a name that stands twice, white space, an escape that
// need not be, or a number that a double does not hold comes out different when it is written again, and is refused.

import { textOf } from "./bytes.js";
import { refuse } from "./refused.js";

/**
 * @param {Uint8Array} bytes
 * @param {string} what
 * @returns {unknown}
 */
export function compact(bytes, what) {
  const text = textOf(bytes, what);
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    refuse(`${what} is not JSON`);
  }
  if (JSON.stringify(value) !== text) refuse(`${what} is not compact JSON as the ledger writes it`);
  return value;
}

/**
 * The object, if it has exactly these fields in this order; those that end in `?` may be absent.
 * @param {unknown} value
 * @param {string[]} fields
 * @param {string} what
 * @returns {Record<string, any>}
 */
export function fields(value, fields, what) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(`${what} is no object`);
  const found = Object.keys(value);
  let at = 0;
  for (const field of fields) {
    const name = field.replace(/\?$/, "");
    if (found[at] === name) at += 1;
    else if (!field.endsWith("?")) refuse(`${what} has no ${name} where it should stand`);
  }
  if (at !== found.length) refuse(`${what} has a field ${found[at]} that is not known here`);
  return value;
}

/**
 * @param {unknown} value
 * @param {string} what
 * @returns {number} a whole number from 0 on
 */
export function count(value, what) {
  if (!Number.isSafeInteger(value) || value < 0) refuse(`${what} is no whole number from 0 on`);
  return /** @type {number} */ (value);
}
