// The log's leaf: at most 1 KiB of compact JSON, which says nothing that the envelope does not but the time.

import { fromHex, hex, utf8 } from "./bytes.js";
import { blake3 } from "./hashes.js";
import { compact, count, fields } from "./json.js";
import { refuse } from "./refused.js";

const MAX_RECORD = 1024;

/**
 * @typedef {{time: number, kind: string, key: string, envelope: string, content?: string}} LogRecord
 */

/**
 * @param {Uint8Array} bytes a leaf
 * @returns {LogRecord}
 */
export function parseRecord(bytes) {
  if (bytes.length > MAX_RECORD) refuse(`a record has at most ${MAX_RECORD} bytes`);
  const what = "the record";
  const value = fields(compact(bytes, what), ["v", "time", "kind", "key", "envelope", "content?"], what);
  if (value.v !== 1) refuse(`${what} is of another version`);
  count(value.time, `${what}'s time`);
  fromHex(value.key, 32, `${what}'s key`);
  fromHex(value.envelope, 32, `${what}'s envelope`);
  return /** @type {any} */ (value);
}

/**
 * Refuses unless the record is the one that follows from the envelope.
 * @param {LogRecord} record
 * @param {import("./envelope.js").Envelope} envelope
 * @param {import("./envelope.js").Statement} statement
 */
export function checkRecord(record, envelope, statement) {
  const agrees =
    record.kind === envelope.kind &&
    record.key === envelope.keyid &&
    record.envelope === envelope.digest &&
    record.content === content(statement);
  if (!agrees) refuse("the record is not the one that follows from its envelope");
}

/**
 * BLAKE3 of the content that a statement speaks of, where there is some.
 * @param {import("./envelope.js").Statement} statement
 * @returns {string | undefined}
 */
function content({ kind, body }) {
  switch (kind) {
    case "genesis":
      return manifestDigest(body.base);
    case "submit":
      return manifestDigest(body.manifest);
    case "publish":
      return body.soup?.blake3;
    default:
      return undefined;
  }
}

/**
 * The digest of a checkpoint's list of files: of its compact JSON.
 * @param {unknown} manifest
 * @returns {string}
 */
export function manifestDigest(manifest) {
  return hex(blake3(utf8(JSON.stringify(manifest))));
}
