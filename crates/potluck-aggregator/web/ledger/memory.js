// What this browser verified of a log before: its size and root. A log that once was longer, or was another, is found out.

import { base64, fromBase64 } from "../verify/bytes.js";

const key = (federation) => `potluck:${federation}`;

/**
 * @param {string} federation Its id.
 * @returns {{ size: number, root: Uint8Array } | undefined}
 */
export function earlier(federation) {
  try {
    const { size, root } = JSON.parse(localStorage.getItem(key(federation)));
    return Number.isSafeInteger(size) && size > 0 ? { size, root: fromBase64(root, "the root that was kept") } : undefined;
  } catch {
    // Nothing is kept, or nothing that can be used: the log is met for the first time.
    return undefined;
  }
}

/** @param {string} federation @param {{ size: number, root: Uint8Array }} checkpoint */
export function remember(federation, { size, root }) {
  try {
    localStorage.setItem(key(federation), JSON.stringify({ size, root: base64(root) }));
  } catch {
    // A browser that keeps nothing checks each time anew.
  }
}
