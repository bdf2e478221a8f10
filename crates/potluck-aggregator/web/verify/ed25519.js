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

/** From so many signatures on, a key's multiples are worth making: they take as long as a dozen signatures. */
const OFTEN = 16;

/** Of so many keys at once multiples are kept, about 1 MB each. */
const MOST_KEPT = 32;

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
  const k = scalar(sha512(concat(nonce, key.bytes, message))) % ORDER;
  const expected = difference(s, k, key);
  // By its bytes: a nonce in another spelling than the canonical one is no nonce. So R is the point that was expected, and
  // need not be decoded to know its order.
  return equal(expected.toBytes(), nonce) && !expected.isSmallOrder();
}

/** [s]B − [k]A: by the library's own multiplication, or, for a key that signs much, by multiples that are kept. */
function difference(s, k, key) {
  const known = multiplesOf(key);
  if (known === null) return Point.BASE.multiply(s, false).add(key.point.multiply(k, false).negate());
  base ??= new Multiples(Point.BASE);
  // Of −A, and not (ℓ − k) of A: a key may have a part of small order, which ℓ does not take away.
  return known.times(k, base.times(s, Point.ZERO));
}

/** @type {Multiples | null} */
let base = null;

/** How often each key was asked about, and its multiples. @type {Map<string, {count: number, known: Multiples | null}>} */
const keys = new Map();

/** @param {PublicKey} key @returns {Multiples | null} */
function multiplesOf(key) {
  const seen = keys.get(key.id) ?? { count: 0, known: null };
  if (seen.count === 0) {
    // A map is in the order of insertion: the key that came first makes room.
    if (keys.size >= MOST_KEPT) keys.delete(keys.keys().next().value);
    keys.set(key.id, seen);
  }
  seen.count += 1;
  if (seen.known === null && seen.count > OFTEN) seen.known = new Multiples(key.point.negate());
  return seen.known;
}

/** Makes a key's multiples at once, as if it had signed much. @param {PublicKey} key */
export function expectMany(key) {
  for (let count = 0; count <= OFTEN; count += 1) multiplesOf(key);
}

/**
 * The multiples of a point by 1 to 128 times each power of 256: with them a scalar costs 32 additions and no doubling.
 * Only verification uses it: how long it takes tells what the scalar is.
 */
class Multiples {
  /** @param {Point} point */
  constructor(point) {
    /** @type {Point[][]} */
    this.windows = [];
    for (let first = point; this.windows.length < 32; ) {
      const multiples = [Point.ZERO, first];
      while (multiples.length <= 128) multiples.push(multiples[multiples.length - 1].add(first));
      this.windows.push(multiples);
      first = multiples[128].double();
    }
  }

  /**
   * @param {bigint} scalar below the order, so that nothing is carried out of the last window
   * @param {Point} sum what is added to
   * @returns {Point}
   */
  times(scalar, sum) {
    const digits = scalar.toString(16).padStart(64, "0");
    let carry = 0;
    for (let at = 0; at < 32; at += 1) {
      let digit = parseInt(digits.slice(62 - 2 * at, 64 - 2 * at), 16) + carry;
      carry = digit > 128 ? 1 : 0;
      if (carry) digit -= 256;
      if (digit > 0) sum = sum.add(this.windows[at][digit]);
      else if (digit < 0) sum = sum.add(this.windows[at][-digit].negate());
    }
    return sum;
  }
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
