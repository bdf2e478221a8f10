// What binds a party to a proposal or to its scores before it shows them.

import { concat, fromHex, hex, littleEndian, utf8 } from "../verify/bytes.js";
import { deriveKey } from "../verify/hashes.js";

/**
 * @param {string} federation its id
 * @param {number} round
 * @param {string} party
 * @param {string} nonce 64 digits
 * @param {Record<string, number>} lambda as it stands in the statement
 * @returns {string}
 */
export function proposalCommitment(federation, round, party, nonce, lambda) {
  const parts = [...named(federation, round, [], party, nonce), utf8(JSON.stringify(lambda))];
  return hex(deriveKey("potluck 1 proposal commitment", concat(...parts)));
}

/**
 * @param {string} federation
 * @param {number} round
 * @param {number} batch
 * @param {string} party
 * @param {string} nonce
 * @param {unknown} ballot as it stands in the statement
 * @returns {string}
 */
export function ballotCommitment(federation, round, batch, party, nonce, ballot) {
  const parts = [...named(federation, round, [littleEndian(batch, 4)], party, nonce), utf8(JSON.stringify(ballot))];
  return hex(deriveKey("potluck 1 ballot commitment", concat(...parts)));
}

function named(federation, round, batch, party, nonce) {
  const name = utf8(party);
  return [
    fromHex(federation, 32, "the federation's id"),
    littleEndian(round, 8),
    ...batch,
    littleEndian(name.length, 8),
    name,
    fromHex(nonce, 32, "the nonce"),
  ];
}
