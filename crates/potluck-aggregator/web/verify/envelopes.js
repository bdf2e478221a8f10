// The envelopes of a bundle, asked for before they are needed: many with one request where the server does that, else one by
// one, several at a time. Who reads them compares each with its record, so that it does not matter who sent it.

import { utf8 } from "./bytes.js";
import { refuse, Refused } from "./refused.js";
import { envelopePath, patient } from "./tiles.js";

const MAX_ENVELOPE = 1 << 20;

/** How many single envelopes are asked for at a time: browsers keep six connections to a server. */
const AT_ONCE = 16;

/**
 * Envelopes from an entry on, as many as the server puts into one answer, and at least one.
 * @callback Many
 * @param {number} from
 * @returns {Promise<Uint8Array[]>}
 */

/**
 * @param {import("./tiles.js").Read} read
 * @param {Uint8Array[]} records of the bundle
 * @param {number} first the index of the first of them
 * @param {Many} [many]
 * @returns {(at: number, record: import("./record.js").LogRecord) => Promise<Uint8Array>}
 */
export function ahead(read, records, first, many) {
  return many === undefined ? singly(read, records) : together(records, first, many);
}

function singly(read, records) {
  /** @type {Map<number, Promise<Uint8Array>>} */
  const asked = new Map();
  const ask = (at, digest) => {
    if (asked.has(at)) return;
    const answer = read(envelopePath(digest), MAX_ENVELOPE);
    // Whoever comes to it hears of its failure; until then nobody is missing.
    answer.catch(() => {});
    asked.set(at, answer);
  };
  return (at, record) => {
    ask(at, record.envelope);
    for (let next = at + 1; next < Math.min(at + AT_ONCE, records.length); next += 1) {
      const digest = digestIn(records[next]);
      if (digest !== null) ask(next, digest);
    }
    const answer = asked.get(at);
    asked.delete(at);
    return answer;
  };
}

/** The digest that a record seems to name: it is not judged yet. */
function digestIn(record) {
  return /"envelope":"([0-9a-f]{64})"/.exec(new TextDecoder().decode(record))?.[1] ?? null;
}

function together(records, first, many) {
  /** @type {Uint8Array[]} */
  let envelopes = [];
  let begin = 0;
  return async (at) => {
    if (at >= begin + envelopes.length) {
      [begin, envelopes] = [at, await many(first + at)];
      if (envelopes.length === 0) refuse("the server shows no envelopes");
    }
    return envelopes[at - begin];
  };
}

/**
 * Reads envelopes by `/api/v1/ledger/envelopes`, a line each.
 * @param {string} base ends with a slash
 * @returns {Many}
 */
export function manyFetched(base) {
  return async (from) => {
    const answer = await patient(`${base}api/v1/ledger/envelopes?from=${from}`);
    if (!answer.ok) throw new Refused(`the server shows no envelopes (HTTP ${answer.status})`);
    return (await answer.text()).split("\n").slice(0, -1).map(utf8);
  };
}
