// Signed notes (C2SP signed-note): a text, a blank line, signature lines.
//
//   text, one or more lines, each ended by a newline
//   <blank>
//   — <key name> base64(key id[4] || signature)
//
// A note that parses says nothing yet: its text is taken from `verified` alone.

import { base64, concat, equal, fromBase64, fromHex, hex, textOf, utf8 } from "./bytes.js";
import { publicKey, verifies } from "./ed25519.js";
import { sha256 } from "./hashes.js";
import { refuse } from "./refused.js";

const MAX_NOTE_BYTES = 64 * 1024;
const MAX_SIGNATURES = 64;
const MAX_NAME_BYTES = 255;
const PREFIX = "\u2014 ";

/** Signature type of plain Ed25519 over the text; of a witness's cosignature, with a time (C2SP signed-note). */
export const PLAIN = 0x01;
export const COSIGNATURE = 0x04;

/**
 * @typedef {{name: string, id: Uint8Array, key: import("./ed25519.js").PublicKey}} VerifierKey
 * @typedef {{name: string, id: Uint8Array, signature: Uint8Array}} SignatureLine
 * @typedef {{text: string, signatures: SignatureLine[]}} Note
 */

/**
 * The name of a key, which is also that of the log it signs for.
 * @param {string} text
 * @returns {boolean}
 */
function isName(text) {
  // White space as Unicode has it; \s of a regular expression has U+FEFF beside it, and lacks U+0085.
  return text !== "" && utf8(text).length <= MAX_NAME_BYTES && !/[\p{White_Space}\p{Cc}+]/u.test(text);
}

/**
 * Names a public key.
 * @param {string} name
 * @param {Uint8Array} bytes
 * @param {number} type
 * @returns {VerifierKey}
 */
export function verifierKey(name, bytes, type = PLAIN) {
  if (!isName(name)) refuse("the verifier key's name is not allowed");
  const id = sha256(concat(utf8(`${name}\n`), Uint8Array.of(type), bytes)).subarray(0, 4);
  return { name, id, key: publicKey(bytes) };
}

/**
 * Reads `name+hex(key id)+base64(type || public key)`.
 * @param {string} line
 * @param {number} type
 * @returns {VerifierKey}
 */
export function parseVerifierKey(line, type = PLAIN) {
  const parts = line.split("+");
  if (parts.length < 3) refuse("a verifier key reads name+id+key");
  // Base64 may have a plus of its own, a name has none.
  const [name, id, encoded] = [parts[0], parts[1], parts.slice(2).join("+")];
  const bytes = fromBase64(encoded, "the verifier key's last part");
  if (bytes.length !== 33) refuse("the verifier key's last part is not base64 of 33 bytes");
  if (bytes[0] !== type) refuse("the verifier key makes signatures of another type than is wanted here");
  const key = verifierKey(name, bytes.slice(1), type);
  if (!equal(key.id, fromHex(id, 4, "a verifier key's id"))) {
    refuse("the verifier key's id does not belong to its name and key");
  }
  return key;
}

/**
 * @param {VerifierKey} key
 * @param {number} type
 * @returns {string}
 */
export function verifierKeyLine(key, type = PLAIN) {
  return `${key.name}+${hex(key.id)}+${base64(concat(Uint8Array.of(type), key.key.bytes))}`;
}

/**
 * @param {Uint8Array} bytes
 * @returns {Note}
 */
export function parseNote(bytes) {
  if (bytes.length > MAX_NOTE_BYTES) refuse(`a note has at most ${MAX_NOTE_BYTES} bytes`);
  const note = textOf(bytes, "the note");
  if (/[\u0000-\u0009\u000b-\u001f]/.test(note)) refuse("a note has no control characters but newlines");
  // The text may have blank lines of its own: the last one divides.
  const at = note.lastIndexOf("\n\n");
  if (at <= 0) refuse("a note has a text, a blank line, and signatures");
  const rest = note.slice(at + 2);
  if (rest === "") refuse("the note has no signature");
  if (!rest.endsWith("\n")) refuse("the note's last line does not end");
  const lines = rest.slice(0, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) refuse(`a note has at most ${MAX_SIGNATURES} signatures`);
  return { text: `${note.slice(0, at)}\n`, signatures: lines.map(parseLine) };
}

/**
 * @param {string} line
 * @param {number} index
 * @returns {SignatureLine}
 */
function parseLine(line, index) {
  const what = `line ${index + 1} after the blank one`;
  const at = line.indexOf(" ", PREFIX.length);
  const name = line.slice(PREFIX.length, at);
  if (!line.startsWith(PREFIX) || at < 0 || !isName(name)) refuse(`${what} is not a signature`);
  const bytes = fromBase64(line.slice(at + 1), what);
  if (bytes.length < 5) refuse(`${what} is not a signature`);
  return { name, id: bytes.slice(0, 4), signature: bytes.slice(4) };
}

/**
 * The lines that name a key.
 * @param {Note} note
 * @param {VerifierKey} key
 * @returns {SignatureLine[]}
 */
export function linesOf(note, key) {
  return note.signatures.filter((line) => line.name === key.name && equal(line.id, key.id));
}

/**
 * The note's text, once `key` is known to have signed it. One bad signature by the known key spoils the note; those of
 * other keys are not judged.
 * @param {Note} note
 * @param {VerifierKey} key
 * @returns {string}
 */
export function verified(note, key) {
  const lines = linesOf(note, key);
  if (lines.length === 0) refuse(`the note is not signed by ${key.name}`);
  const message = utf8(note.text);
  if (!lines.every((line) => verifies(key.key, message, line.signature))) {
    refuse(`the note's signature by ${key.name} is not valid`);
  }
  return note.text;
}
