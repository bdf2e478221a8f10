// The hashes that the ledger uses, from the vendored library: SHA-256 in the tree and over envelopes, BLAKE3 for
// content, SHA-512 within Ed25519. WebCrypto is not used: it has no BLAKE3, and is absent on pages served over plain HTTP.

import { blake3 as nobleBlake3 } from "../vendor/noble-hashes/blake3.js";
import { sha256, sha512 } from "../vendor/noble-hashes/sha2.js";
import { utf8 } from "./bytes.js";

export { sha256, sha512 };

/**
 * @param {Uint8Array} bytes
 * @returns {Uint8Array} 32 bytes
 */
export function blake3(bytes) {
  return nobleBlake3(bytes);
}

/**
 * BLAKE3 in `derive_key` mode: `context` is the domain that keeps one use apart from all others.
 * @param {string} context
 * @param {Uint8Array} material
 * @returns {Uint8Array} 32 bytes
 */
export function deriveKey(context, material) {
  return nobleBlake3(material, { context: utf8(context) });
}
