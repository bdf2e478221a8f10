// Checkpoints (C2SP tlog-checkpoint): a log's size and root and the digest of what its entries amount to, signed.
//
//   origin
//   size, decimal
//   base64(root)
//   potluck-state/1 hexadecimal(state)

import { concat, decimal, fromBase64, fromHex, utf8 } from "./bytes.js";
import { verifies } from "./ed25519.js";
import { linesOf, parseNote, verified } from "./note.js";
import { refuse } from "./refused.js";

const STATE = "potluck-state/1 ";

/**
 * @typedef {{origin: string, size: number, root: Uint8Array, state: Uint8Array}} Checkpoint
 */

/**
 * Reads a checkpoint that the log of this key signed.
 * @param {Uint8Array} bytes
 * @param {import("./note.js").VerifierKey} log
 * @returns {Checkpoint}
 */
export function openCheckpoint(bytes, log) {
  const text = verified(parseNote(bytes), log);
  const lines = text.slice(0, -1).split("\n");
  if (lines.length !== 4) {
    refuse("the signed text is not a checkpoint of four lines: origin, size, root, state");
  }
  const [origin, size, root, state] = lines;
  if (origin !== log.name) refuse(`the checkpoint is for another log than ${log.name}`);
  const hash = fromBase64(root, "the checkpoint's root");
  if (hash.length !== 32) refuse("the checkpoint's root is not a hash of 32 bytes");
  if (!state.startsWith(STATE)) refuse("the checkpoint's fourth line is not a state");
  return {
    origin,
    size: decimal(size, "the checkpoint's size"),
    root: hash,
    state: fromHex(state.slice(STATE.length), 32, "the checkpoint's state"),
  };
}

/**
 * Which of these witnesses cosigned it (C2SP tlog-cosignature), with the latest time each of them states. A line that
 * names a known witness and is not its cosignature spoils the checkpoint. A public key counts once, whatever its names.
 * @param {Uint8Array} bytes
 * @param {import("./note.js").VerifierKey[]} witnesses keys of type COSIGNATURE
 * @returns {{name: string, time: number}[]}
 */
export function cosigners(bytes, witnesses) {
  const note = parseNote(bytes);
  /** @type {Map<string, {name: string, time: number}>} */
  const found = new Map();
  for (const witness of witnesses) {
    for (const line of linesOf(note, witness)) {
      const time = cosignedAt(line.signature, note.text, witness);
      const before = found.get(witness.key.id);
      if (before === undefined || before.time < time) {
        found.set(witness.key.id, { name: witness.name, time });
      }
    }
  }
  return [...found.values()];
}

/**
 * @param {Uint8Array} signature
 * @param {string} text
 * @param {import("./note.js").VerifierKey} witness
 * @returns {number}
 */
function cosignedAt(signature, text, witness) {
  const bad = () => refuse(`the checkpoint's cosignature by ${witness.name} is not valid`);
  if (signature.length !== 72) bad();
  const time = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0);
  const message = concat(utf8(`cosignature/v1\ntime ${time}\n`), utf8(text));
  if (time === 0n || time >= 1n << 53n || !verifies(witness.key, message, signature.subarray(8))) bad();
  return Number(time);
}
