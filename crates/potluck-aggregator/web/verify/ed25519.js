// Ed25519 as this ledger judges it, to the last edge case: without cofactor, with S below the group's order, and key and
// nonce canonical and not of small order (`verify_strict` of ed25519-dalek, which the server and every auditor use).
//
// Neither WebCrypto nor the library's own `verify` will do. Chromium's accepts the identity as a key, for which anybody
// can sign anything; the library multiplies by the cofactor, and so accepts what the ledger's other readers refuse.
// Only its points are taken; the equation stands here. The files of `tests/vectors/ed25519` are judged by both.

import { Point } from "../vendor/noble-ed25519/index.js";
import { concat, equal, fromHex, hex } from "./bytes.js";
import { sha256, sha512 } from "./hashes.js";
import { refuse } from "./refused.js";

/** The order of the base point, ℓ (RFC 8032, section 5.1). */
const ORDER = Point.CURVE().n;

/** What stands before the 32 bytes of a key in a SubjectPublicKeyInfo (RFC 8410, section 4). */
const SPKI_PREFIX = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

const TEXT_PREFIX = "ed25519:";

/**
 * A public key that may be somebody's: canonical and of large order.
 * @typedef {{bytes: Uint8Array, point: Point, id: string}} PublicKey
 */

/**
 * @param {Uint8Array} bytes 32 of them
 * @returns {PublicKey}
 */
export function publicKey(bytes) {
  if (bytes.length !== 32) refuse("a public key has 32 bytes");
  const point = decoded(bytes);
  if (point === null || !equal(point.toBytes(), bytes)) {
    refuse("the public key is no canonical point of the curve");
  }
  if (point.isSmallOrder()) refuse("the public key is weak: it has small order");
  return { bytes, point, id: hex(sha256(concat(SPKI_PREFIX, bytes))) };
}

/**
 * A key as statements write it.
 * @param {unknown} text `ed25519:` and 64 digits
 * @returns {PublicKey}
 */
export function publicKeyFromText(text) {
  if (typeof text !== "string" || !text.startsWith(TEXT_PREFIX)) {
    refuse("a public key is written as ed25519: and 64 lower-case hexadecimal digits");
  }
  return publicKey(fromHex(text.slice(TEXT_PREFIX.length), 32, "the public key"));
}

/**
 * Whether `signature` is this key's over `message`: [S]B = R + [k]A.
 * @param {PublicKey} key
 * @param {Uint8Array} message
 * @param {Uint8Array} signature
 * @returns {boolean}
 */
export function verifies(key, message, signature) {
  if (signature.length !== 64) return false;
  const [nonce, rest] = [signature.subarray(0, 32), signature.subarray(32)];
  const s = scalar(rest);
  if (s >= ORDER) return false;
  const point = decoded(nonce);
  if (point === null || point.isSmallOrder()) return false;
  const k = scalar(sha512(concat(nonce, key.bytes, message))) % ORDER;
  const expected = Point.BASE.multiply(s, false).add(key.point.multiply(k, false).negate());
  // By its bytes: a nonce in another spelling than the canonical one is no nonce.
  return equal(expected.toBytes(), nonce);
}

/**
 * @param {Uint8Array} bytes
 * @returns {Point | null} nothing where they encode no point, or y is not below the field's prime
 */
function decoded(bytes) {
  try {
    return Point.fromBytes(bytes, false);
  } catch {
    return null;
  }
}

/**
 * @param {Uint8Array} bytes little-endian
 * @returns {bigint}
 */
function scalar(bytes) {
  return BigInt(`0x${hex(Uint8Array.from(bytes).reverse())}`);
}
