// What of a charter a decision depends on, with the defaults that the ledger leaves out.

/**
 * @typedef {object} Charter
 * @property {string} rule
 * @property {Record<string, {weight: number, floor_ppm?: number, cap_ppm?: number}>} parties
 * @property {Record<string, any>} [rounds]
 * @property {Record<string, any>} [bargain]
 * @property {Record<string, any>} [agreement]
 * @property {Record<string, any>} [amendment]
 */

/** @param {Charter} charter @param {string} party */
export const weight = (charter, party) => charter.parties[party]?.weight ?? 0;
/** @param {Charter} charter @param {string} party */
export const floor = (charter, party) => charter.parties[party]?.floor_ppm ?? 0;
/** @param {Charter} charter @param {string} party */
export const cap = (charter, party) => charter.parties[party]?.cap_ppm ?? 1_000_000;

/** @param {Charter} charter */
export function roundRules({ rounds = {} }) {
  return {
    sealed: rounds.sealed ?? false,
    commitSeconds: rounds.commit_seconds ?? 0,
    revealSeconds: rounds.reveal_seconds ?? 0,
    quorumPermille: rounds.quorum_permille ?? 1000,
  };
}

/** @param {Charter} charter */
export function agreementRules({ agreement = {} }) {
  return { ratifyPermille: agreement.ratify_permille ?? 0, validSeconds: agreement.valid_seconds ?? 0 };
}

/**
 * Whether `part` is so many thousandths of `whole`, or more.
 * @param {number} part
 * @param {number} whole
 * @param {number} permille
 */
export function isPart(part, whole, permille) {
  return BigInt(part) * 1000n >= BigInt(whole) * BigInt(permille);
}

/** @param {Charter} charter @param {Iterable<string>} parties */
export function weightOf(charter, parties) {
  return [...parties].reduce((total, party) => total + weight(charter, party), 0);
}
