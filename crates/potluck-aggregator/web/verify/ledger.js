// A walk over the whole ledger: every leaf under the signed root, every envelope under its author's key in force.
//
//   checkpoint ─ the log's key ─▶ size, root
//   records ─ hashed ─▶ the same root, or the log shows other entries than it signed
//   envelope of each ─ its record, its author's key, its author's chain ─▶ what was said
//
// The log's key comes from outside: from the invitation, a bookmark, or somebody whom the reader trusts. A page that took it
// from the server that it checks would check nothing.

import { concat, equal, littleEndian } from "./bytes.js";
import { openCheckpoint } from "./checkpoint.js";
import { parseEnvelope } from "./envelope.js";
import { ahead } from "./envelopes.js";
import { sha256 } from "./hashes.js";
import { Members } from "./members.js";
import { Frontier, leafHash, verifyConsistency, verifyInclusion } from "./merkle.js";
import { verifierKey, verified, parseNote } from "./note.js";
import { checkRecord, parseRecord } from "./record.js";
import { refuse, Refused } from "./refused.js";
import { envelopePath, Tiles } from "./tiles.js";

const MAX_NOTE = 64 * 1024;
const MAX_ENVELOPE = 1 << 20;
const BUNDLE = 256;

/**
 * @typedef {{index: number, record: import("./record.js").LogRecord,
 *   statement: import("./envelope.js").Statement, members: Members}} Verified
 */

/**
 * The log's checkpoint, verified; and, where the reader saw an earlier one, that this one only appended to it.
 * @param {import("./tiles.js").Read} read
 * @param {import("./note.js").VerifierKey} log
 * @param {import("./checkpoint.js").Checkpoint} [earlier]
 * @returns {Promise<import("./checkpoint.js").Checkpoint>}
 */
export async function latest(read, log, earlier) {
  const checkpoint = openCheckpoint(await read("checkpoint", MAX_NOTE), log);
  if (earlier !== undefined) {
    const proof = await new Tiles(read, checkpoint.size).consistencyProof(earlier.size);
    verifyConsistency(earlier.size, earlier.root, checkpoint.size, checkpoint.root, proof);
  }
  return checkpoint;
}

/**
 * One entry: its record stands under the checkpoint, and its envelope is the one that the record names. Whether the right
 * key signed it only the whole walk can tell.
 * @param {import("./tiles.js").Read} read
 * @param {import("./checkpoint.js").Checkpoint} checkpoint
 * @param {number} index
 * @returns {Promise<{record: import("./record.js").LogRecord, envelope: import("./envelope.js").Envelope}>}
 */
export async function entryAt(read, checkpoint, index) {
  const tiles = new Tiles(read, checkpoint.size);
  const proof = await tiles.inclusionProof(index);
  const bytes = (await tiles.records(Math.floor(index / BUNDLE)))[index % BUNDLE];
  verifyInclusion(leafHash(bytes), index, checkpoint.size, checkpoint.root, proof);
  const record = parseRecord(bytes);
  return { record, envelope: await envelopeOf(read, record) };
}

/**
 * Reads all entries in order and hands each verified one to `onEntry`, which may draw, count or decide. Refuses at the
 * first that does not hold; and before anything is made of them, if they are not those that the log signed.
 * @param {import("./tiles.js").Read} read
 * @param {import("./note.js").VerifierKey} log the key that the reader trusts
 * @param {(entry: Verified) => void | Promise<void>} onEntry
 * @param {{onRecords?: (count: number, size: number) => void, many?: import("./envelopes.js").Many}} [more] hears how many
 *   records were hashed; reads many envelopes with one request, where the server does that
 * @returns {Promise<{checkpoint: import("./checkpoint.js").Checkpoint, members: Members}>}
 */
export async function walk(read, log, onEntry, { onRecords, many } = {}) {
  const note = await read("checkpoint", MAX_NOTE);
  const checkpoint = openCheckpoint(note, log);
  const hashed = await checkRoot(read, checkpoint, onRecords);
  const tiles = new Tiles(read, checkpoint.size);
  const members = new Members();
  let before = 0;
  for (let bundle = 0; bundle * BUNDLE < checkpoint.size; bundle += 1) {
    const records = await tiles.records(bundle);
    // They were read before: a server could answer otherwise now.
    if (!equal(digestOf(records), hashed[bundle])) refuse(`the log shows other entries than before in bundle ${bundle}`);
    const envelopes = ahead(read, records, bundle * BUNDLE, many);
    for (const [at, bytes] of records.entries()) {
      const index = bundle * BUNDLE + at;
      try {
        const record = parseRecord(bytes);
        if (record.time < before) refuse("the record is earlier than the one before it");
        before = record.time;
        const envelope = named(await envelopes(at, record), record);
        const statement = members.authenticate(envelope);
        checkRecord(record, envelope, statement);
        members.apply(statement, envelope);
        await onEntry({ index, record, statement, members });
      } catch (error) {
        if (error instanceof Refused) refuse(`entry ${index}: ${error.message}`);
        throw error;
      }
    }
  }
  checkLogKey(note, log, members);
  return { checkpoint, members };
}

/**
 * That the records are those that the log signed: asked before anything is made of them. Of each bundle a digest is kept.
 * @returns {Promise<Uint8Array[]>}
 */
async function checkRoot(read, checkpoint, onRecords) {
  const tiles = new Tiles(read, checkpoint.size);
  const [frontier, hashed] = [new Frontier(), []];
  for (let bundle = 0; bundle * BUNDLE < checkpoint.size; bundle += 1) {
    const records = await tiles.records(bundle);
    for (const record of records) frontier.push(leafHash(record));
    hashed.push(digestOf(records));
    onRecords?.(frontier.size, checkpoint.size);
  }
  if (!equal(frontier.root(), checkpoint.root)) refuse("the log shows other entries than it signed");
  return hashed;
}

/** One digest of many records. Each has its length before it, so that they cannot be divided otherwise. */
function digestOf(records) {
  return sha256(concat(...records.flatMap((record) => [littleEndian(record.length, 4), record])));
}

/** A key that was handed over signs no more alone: the one in force must have signed, too. */
function checkLogKey(note, log, members) {
  if (members.log === null) refuse("the ledger has no genesis");
  verified(parseNote(note), verifierKey(log.name, members.log.bytes));
}

/**
 * @param {import("./tiles.js").Read} read
 * @param {import("./record.js").LogRecord} record
 */
async function envelopeOf(read, record) {
  return named(await read(envelopePath(record.envelope), MAX_ENVELOPE), record);
}

/**
 * The envelope of these bytes, if it is the one that the record names.
 * @param {Uint8Array} bytes
 * @param {import("./record.js").LogRecord} record
 */
function named(bytes, record) {
  const envelope = parseEnvelope(bytes);
  if (envelope.digest !== record.envelope) refuse("the envelope is not the one that its record names");
  return envelope;
}
