// One round, from its opening to its agreement or to none, as the ledger's entries drive it.
//
//   open_round ─▶ commit* ─▶ reveal* ─▶ λ₀ ─▶ agreed                        ─▶ ratified ─▶ published
//                                        └──▶ bargain (bargaining.js) ─▶ agreed

import { utf8, hex } from "../verify/bytes.js";
import { blake3 } from "../verify/hashes.js";
import { refuse } from "../verify/refused.js";
import { Bargaining, byName } from "./bargaining.js";
import { agreementRules, floor, isPart, roundRules, weight, weightOf } from "./charter.js";
import { ballotCommitment, proposalCommitment } from "./commitments.js";
import { decide } from "./phantom.js";
import { MILLION, weightedMean } from "./shares.js";
import { isSame } from "./design.js";

/** @typedef {import("./charter.js").Charter} Charter */

export class Round {
  /**
   * @param {string} federation its id
   * @param {Charter} charter
   * @param {number} number
   * @param {Map<string, string>} experts manifest digests by party
   * @param {number} time the log's, at its opening
   */
  constructor(federation, charter, number, experts, time) {
    this.federation = federation;
    this.charter = charter;
    this.number = number;
    this.experts = experts;
    this.parties = [...experts.keys()].sort(byName);
    this.opened = time;
    /** @type {Map<string, string>} */
    this.commitments = new Map();
    /** @type {Map<string, number[]>} */
    this.proposals = new Map();
    /** @type {Bargaining | null} */
    this.bargain = null;
    /** @type {Record<string, any> | null} as the ledger writes it */
    this.agreement = null;
    /** @type {Map<string, {agreement: string, stance: string}>} */
    this.stances = new Map();
    this.isVoid = false;
    /** @type {Record<string, number> | null} λ of the published recipe, by party */
    this.published = null;
  }

  /** Whether another round can be opened after it. */
  get isOver() {
    return this.published !== null || this.isVoid;
  }

  /**
   * λ as the ledger writes it: names ascend.
   * @param {number[]} shares
   * @returns {Record<string, number>}
   */
  named(shares) {
    return Object.fromEntries(this.parties.map((party, k) => [party, shares[k]]));
  }

  /**
   * @param {Record<string, number>} lambda
   * @returns {number[]} in order of party
   */
  shares(lambda) {
    const shares = this.parties.map((party) => lambda?.[party]);
    const isWhole = shares.every((share) => Number.isSafeInteger(share) && share >= 0);
    const sum = shares.reduce((total, share) => total + share, 0);
    if (!isWhole || sum !== MILLION || Object.keys(lambda).length !== shares.length) {
      refuse("λ is not over exactly the round's parties, in parts per million that sum to one million");
    }
    return shares;
  }

  /**
   * @param {import("../verify/envelope.js").Statement} statement of this round
   * @param {number} time the log's
   */
  apply({ author, kind, body }, time) {
    switch (kind) {
      case "commit":
        return this.commit(author, body.commitment, time);
      case "reveal":
        return this.reveal(author, body, time);
      case "close_round":
        return this.close(time);
      case "nominate":
        return this.inBargain(time, (it) => it.nominate(author, body.batch, body.lambda && this.shares(body.lambda)));
      case "commit_scores":
        return this.inBargain(time, (it) => it.commit(author, body.batch, body.commitment));
      case "reveal_scores":
        return this.inBargain(time, (it) => this.showScores(it, author, body));
      case "ratify":
        return this.stand(author, body, time);
      case "publish":
        return this.publish(body.recipe);
      default:
        return refuse(`a round knows no ${kind}`);
    }
  }

  commit(party, commitment, time) {
    const { sealed, commitSeconds } = roundRules(this.charter);
    if (!sealed || !this.experts.has(party) || this.commitments.has(party) || this.proposals.size > 0) {
      refuse(`${party} cannot commit to a proposal now`);
    }
    if (commitSeconds > 0 && time > this.opened + commitSeconds) refuse("the time for commitments is over");
    this.commitments.set(party, commitment);
  }

  reveal(party, { lambda, nonce }, time) {
    const { sealed, commitSeconds, revealSeconds } = roundRules(this.charter);
    if (this.bargain !== null || this.agreement !== null || this.isVoid) refuse("the round has its proposals");
    if (!this.experts.has(party) || this.proposals.has(party)) refuse(`${party} cannot propose now`);
    if (revealSeconds > 0 && time > this.opened + commitSeconds + revealSeconds) {
      refuse("the time for proposals is over");
    }
    if (sealed) {
      const isEarly = commitSeconds === 0 || time <= this.opened + commitSeconds;
      if (isEarly && this.commitments.size < this.experts.size) refuse("proposals are shown once all are committed");
      const bound = this.commitments.get(party);
      if (bound === undefined || proposalCommitment(this.federation, this.number, party, nonce, lambda) !== bound) {
        refuse(`the proposal and its nonce are not what ${party} committed to`);
      }
    }
    const shares = this.shares(lambda);
    if (this.parties.some((it, k) => shares[k] < floor(this.charter, it))) refuse("the proposal is below a floor");
    this.proposals.set(party, shares);
    const awaited = sealed ? this.commitments : this.experts;
    if (this.proposals.size === awaited.size && this.hasQuorum()) this.entitle(time);
  }

  hasQuorum() {
    const [with_, all] = [weightOf(this.charter, this.proposals.keys()), weightOf(this.charter, this.parties)];
    return isPart(with_, all, roundRules(this.charter).quorumPermille);
  }

  close(time) {
    if (this.agreement !== null) this.fallBack("not_ratified", time);
    else if (this.bargain !== null) this.advance(time);
    else if (this.hasQuorum()) this.entitle(time);
    else this.isVoid = true;
  }

  /** The proposals are in: what follows from them is the agreement, or what the parties bargain against. */
  entitle(time) {
    const shares = entitlement(this.charter, this.parties, this.proposals);
    if (shares === null) {
      this.isVoid = true;
    } else if (this.charter.bargain !== undefined && this.parties.length > 1) {
      this.bargain = new Bargaining(this.charter, this.parties, shares, time);
    } else {
      this.agree(shares, undefined, time);
    }
  }

  inBargain(time, say) {
    if (this.bargain === null || this.agreement !== null || this.isVoid) refuse("λ is not bargained for now");
    if (say(this.bargain)) this.advance(time);
  }

  showScores(bargain, party, { batch, ballot, nonce }) {
    const bound = bargain.latest.commitments.get(party);
    const found = ballotCommitment(this.federation, this.number, batch, party, nonce, ballot);
    if (found !== bound) refuse(`the scores and their nonce are not what ${party} committed to`);
    return bargain.show(party, batch, ballot);
  }

  advance(time) {
    const next = this.bargain.step(time);
    switch (next.kind) {
      case "void":
        this.isVoid = true;
        break;
      case "no_deal":
        this.fallBack(next.why, time);
        break;
      case "end": {
        const outcome = { chosen: { candidate: next.candidate, runner_up: next.runnerUp } };
        const gains = this.bargain.gains(next.candidate);
        this.agree(this.bargain.candidates[next.candidate], this.deal(outcome, gains, next.excluded), time);
        break;
      }
      default:
        break;
    }
  }

  /** What holds without a deal. */
  fallBack(why, time) {
    if (this.bargain === null || this.charter.bargain.fallback === "nothing") {
      [this.agreement, this.isVoid] = [null, true];
      return;
    }
    const { bargain } = this;
    const number = bargain.candidates.findIndex((it) => isSame(it, bargain.entitlement));
    const { excluded } = bargain.rank(bargain.scored(), false);
    this.agree(bargain.entitlement, this.deal({ fallback: why }, bargain.gains(number), excluded), time);
  }

  deal(outcome, gains, excluded) {
    return { rule: this.charter.bargain.rule, outcome, gains_ppm: gains, excluded };
  }

  agree(shares, deal, time) {
    const { validSeconds } = agreementRules(this.charter);
    this.agreement = { round: this.number, rule: this.charter.rule, lambda: this.named(shares) };
    if (deal !== undefined) this.agreement.deal = deal;
    if (validSeconds > 0) this.agreement.expires = time + validSeconds;
  }

  /** BLAKE3 of the agreement's compact JSON: by this it is ratified. */
  get agreementDigest() {
    return this.agreement === null ? null : hex(blake3(utf8(JSON.stringify(this.agreement))));
  }

  stand(party, { agreement, stance }, time) {
    if (this.agreement === null || !this.experts.has(party)) refuse(`${party} has nothing to ratify`);
    if (agreement !== this.agreementDigest) refuse(`${party} speaks of another agreement than the one that follows`);
    this.stances.set(party, { agreement, stance });
    const isFallback = this.agreement.deal?.outcome.fallback !== undefined;
    if (!this.isOver && !isFallback && !this.isEnough((it) => it === undefined || it === "ratify")) {
      this.fallBack("not_ratified", time);
    }
  }

  /** Whether the agreement may be published: λ₀ needs nobody's word where it holds for want of a deal. */
  get isRatified() {
    return this.agreement?.deal?.outcome.fallback !== undefined || this.isEnough((stance) => stance === "ratify");
  }

  isEnough(counts) {
    const digest = this.agreementDigest;
    const stance = (party) => {
      const said = this.stances.get(party);
      return said?.agreement === digest ? said.stance : undefined;
    };
    const counted = this.parties.filter((party) => counts(stance(party)));
    const [with_, all] = [weightOf(this.charter, counted), weightOf(this.charter, this.parties)];
    return isPart(with_, all, agreementRules(this.charter).ratifyPermille);
  }

  /** A published recipe names those with a share, and its soup is of nothing else than the agreement. */
  publish(recipe) {
    if (this.agreement === null) refuse("a soup is published that nobody agreed on");
    if (!this.isRatified) refuse("a soup is published whose agreement is not ratified");
    const agreed = this.parties.filter((party) => this.agreement.lambda[party] > 0);
    const expected = agreed.map((party) => [party, this.experts.get(party), this.agreement.lambda[party]]);
    const found = recipe.experts.map(({ party, manifest, ppm }) => [party, manifest, ppm]);
    if (JSON.stringify(found) !== JSON.stringify(expected)) refuse("the published soup is not the one that was agreed");
    this.published = Object.fromEntries(found.map(([party, , ppm]) => [party, ppm]));
  }
}

/**
 * What follows from the proposals that are there; nothing where there is none of any weight.
 * @param {Charter} charter
 * @param {string[]} parties
 * @param {Map<string, number[]>} proposals
 * @returns {number[] | null}
 */
export function entitlement(charter, parties, proposals) {
  const ballots = [...proposals].map(([party, shares]) => ({ weight: weight(charter, party), shares }));
  if (!ballots.some((ballot) => ballot.weight > 0)) return null;
  if (charter.rule === "mean") return weightedMean(ballots);
  return decide(charter.rule, ballots, parties.map((party) => floor(charter, party)));
}
