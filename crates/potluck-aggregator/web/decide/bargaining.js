// A bargain over candidates, step by step, as the ledger's entries drive it.
//
//   λ₀ ─▶ first batch ─▶ nominate ─▶ batch ─▶ … ─▶ finalists ─▶ decision: a candidate, or λ₀
//         commit*, show*             commit*, show*   commit*, show*

import { refuse } from "../verify/refused.js";
import { choose } from "./bargain.js";
import { cap, floor, isPart, roundRules, weight, weightOf } from "./charter.js";
import { firstCandidates, isSame } from "./design.js";

/**
 * @typedef {{score: number, error: number, accept: boolean}} Row
 * @typedef {{purpose: "first" | "nominated" | "finalists", candidates: number[], commitments: Map<string, string>,
 *   ballots: Map<string, {prompts: number, rows: Row[]}>, isBound: boolean}} Batch
 * @typedef {{ranked: number[], excluded: {candidate: number, reason: string, party: string}[]}} Choice
 * @typedef {{kind: "wait"} | {kind: "void"} | {kind: "no_deal", why: string} |
 *   {kind: "end", candidate: number, runnerUp: number | null, excluded: Choice["excluded"]}} Next
 */

/** Names in the order of their bytes, as the ledger orders parties. */
export const byName = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

export class Bargaining {
  /**
   * @param {import("./charter.js").Charter} charter
   * @param {string[]} parties in order
   * @param {number[]} entitlement λ₀
   * @param {number} time
   */
  constructor(charter, parties, entitlement, time) {
    this.charter = charter;
    this.rules = charter.bargain;
    this.parties = parties;
    this.entitlement = entitlement;
    this.candidates = firstCandidates(parties.map((party) => floor(charter, party)));
    if (!this.candidates.some((it) => isSame(it, entitlement))) this.candidates.push(entitlement);
    /** @type {Batch[]} */
    this.batches = [batch("first", this.candidates.map((_, at) => at))];
    this.heard = new Set(parties);
    /** @type {Map<string, number[] | null> | null} */
    this.nominations = null;
    this.since = time;
  }

  /** @returns {Batch} */
  get latest() {
    return this.batches[this.batches.length - 1];
  }

  /**
   * Takes a nomination in.
   * @returns {boolean} whether the step is over
   */
  nominate(party, number, lambda) {
    if (this.nominations === null || number !== this.batches.length + 1) refuse("nominations are not taken now");
    this.checkHeard(party, this.nominations);
    if (lambda !== null && this.candidates.some((it) => isSame(it, lambda))) refuse("it is a candidate already");
    this.nominations.set(party, lambda);
    const made = [...this.nominations.values()].filter((it) => it !== null).length;
    return made >= this.rules.nominations || this.hasHeardAll(this.nominations);
  }

  /** @returns {boolean} whether the step is over */
  commit(party, number, commitment) {
    if (this.latest.isBound) refuse("commitments to scores are not taken now");
    this.checkBatch(number);
    this.checkHeard(party, this.latest.commitments);
    this.latest.commitments.set(party, commitment);
    return this.hasHeardAll(this.latest.commitments);
  }

  /** @returns {boolean} whether the step is over */
  show(party, number, ballot) {
    if (!this.latest.isBound) refuse("scores are shown once all are committed");
    this.checkBatch(number);
    this.checkHeard(party, this.latest.ballots);
    if (ballot.rows.length !== this.latest.candidates.length) refuse("the ballot has not a row for each candidate");
    this.latest.ballots.set(party, ballot);
    return [...this.heard].every((it) => this.latest.ballots.has(it) || !this.latest.commitments.has(it));
  }

  checkBatch(number) {
    if (this.nominations !== null || number !== this.batches.length) refuse(`batch ${number} is not open`);
  }

  checkHeard(party, said) {
    if (!this.heard.has(party)) refuse(`${party} is not heard in this round any more`);
    if (said.has(party)) refuse(`${party} has spoken in this step already`);
  }

  hasHeardAll(said) {
    return [...this.heard].every((party) => said.has(party));
  }

  /**
   * What comes after the present wait.
   * @param {number} time
   * @returns {Next}
   */
  step(time) {
    this.since = time;
    if (this.nominations !== null) return this.takeIn();
    if (!this.latest.isBound && this.latest.commitments.size > 0) {
      this.latest.isBound = true;
      return { kind: "wait" };
    }
    const shown = [...this.latest.ballots.keys()].sort(byName);
    const isMissing = shown.length < this.heard.size;
    this.heard = new Set(shown);
    if (isMissing && this.rules.on_no_reveal === "void") return { kind: "void" };
    const { quorumPermille } = roundRules(this.charter);
    const [with_, all] = [weightOf(this.charter, this.heard), weightOf(this.charter, this.parties)];
    if (this.heard.size === 0 || !isPart(with_, all, quorumPermille)) return { kind: "no_deal", why: "no_quorum" };
    if (this.latest.purpose === "finalists") return this.decide(true);
    if (this.batches.filter(({ purpose }) => purpose === "nominated").length < this.rules.batches) {
      this.nominations = new Map();
      return { kind: "wait" };
    }
    return this.finals();
  }

  /** Makes a batch of what was nominated, in ascending order of who nominated it. */
  takeIn() {
    const first = this.candidates.length;
    const nominations = [...this.nominations].sort(([a], [b]) => byName(a, b));
    this.nominations = null;
    for (const [, lambda] of nominations) if (lambda !== null) this.candidates.push(lambda);
    if (this.candidates.length === first) return this.finals();
    this.batches.push(batch("nominated", this.candidates.map((_, at) => at).slice(first)));
    return { kind: "wait" };
  }

  /** @returns {Next} */
  finals() {
    if (this.rules.finalists === 0) return this.decide(false);
    const best = this.rank(this.scored(), false).ranked.slice(0, this.rules.finalists);
    if (best.length === 0) return { kind: "no_deal", why: "no_candidate" };
    this.batches.push(batch("finalists", best));
    return { kind: "wait" };
  }

  /** @returns {Next} */
  decide(ofFinalists) {
    const numbers = ofFinalists ? this.latest.candidates : this.scored();
    const choice = this.rank(numbers, ofFinalists);
    const excluded = [...choice.excluded];
    if (ofFinalists) {
      // Why the others did not come so far.
      excluded.push(...this.rank(this.scored(), false).excluded.filter((it) => !numbers.includes(it.candidate)));
      excluded.sort((a, b) => a.candidate - b.candidate);
    }
    if (choice.ranked.length === 0) return { kind: "no_deal", why: "no_candidate" };
    const [candidate, runnerUp = null] = choice.ranked;
    return { kind: "end", candidate, runnerUp, excluded };
  }

  /** The candidates that were scored, but for the finalists' second time. */
  scored() {
    return this.batches.filter(({ purpose }) => purpose !== "finalists").flatMap(({ candidates }) => candidates);
  }

  /**
   * @param {number[]} numbers
   * @param {boolean} ofFinalists by which scores
   * @returns {Choice}
   */
  rank(numbers, ofFinalists) {
    const heard = [...this.heard];
    const batches = this.batches.filter(({ purpose }) => (purpose === "finalists") === ofFinalists);
    const parties = heard.map((party) => ({
      weight: weight(this.charter, party),
      disagreement: 0,
      scores: numbers.map((number) => rowOf(batches, party, number)),
    }));
    if (heard.length === 0 || numbers.length === 0 || parties.some(({ scores }) => scores.includes(undefined))) {
      return { ranked: [], excluded: [] };
    }
    const bounds = this.parties.map((party) => ({
      // Who shows nothing has no floor either, or it would hold others up for free.
      floor: this.heard.has(party) ? floor(this.charter, party) : 0,
      cap: cap(this.charter, party),
    }));
    const candidates = numbers.map((number) => this.candidates[number]);
    const table = { candidates, parties, bounds };
    const decision = choose(table, this.rules.rule, this.rules.veto ?? false, this.entitlement);
    const isOfCoordinate = (reason) => reason === "below_floor" || reason === "above_cap";
    return {
      ranked: decision.ranked.map((row) => numbers[row]),
      excluded: decision.excluded.map(({ candidate, reason, at }) => ({
        candidate: numbers[candidate],
        reason,
        party: (isOfCoordinate(reason) ? this.parties : heard)[at],
      })),
    };
  }

  /**
   * What a candidate gives the heard parties, as it was last scored.
   * @param {number} candidate
   * @returns {Record<string, number>}
   */
  gains(candidate) {
    /** @type {Record<string, number>} */
    const gains = {};
    for (const party of [...this.heard].sort(byName)) {
      const row = rowOf([...this.batches].reverse(), party, candidate);
      if (row !== undefined) gains[party] = row.micro;
    }
    return gains;
  }
}

/** @returns {Batch} */
function batch(purpose, candidates) {
  return { purpose, candidates, commitments: new Map(), ballots: new Map(), isBound: false };
}

/** The first row that these batches have of a party and a candidate. */
function rowOf(batches, party, candidate) {
  for (const { candidates, ballots } of batches) {
    const at = candidates.indexOf(candidate);
    const row = at < 0 ? undefined : ballots.get(party)?.rows[at];
    if (row !== undefined) return { micro: row.score, accept: row.accept };
  }
  return undefined;
}
