// All rounds of a ledger, recomputed from what was signed: charters, experts, proposals, scores, ratifications.
//
// Fed by `walk` of `verify/ledger.js` with one verified entry after another. Where an entry is not one that could follow
// from those before it, it is refused; so what is left at the end is what every other reader of the ledger comes to.

import { OPERATOR } from "../verify/envelope.js";
import { hex, utf8 } from "../verify/bytes.js";
import { blake3 } from "../verify/hashes.js";
import { manifestDigest } from "../verify/record.js";
import { refuse } from "../verify/refused.js";
import { isPart, weightOf } from "./charter.js";
import { Round } from "./round.js";

export class Rounds {
  constructor() {
    /** @type {import("./charter.js").Charter | null} */
    this.charter = null;
    /** @type {Map<string, string>} manifest digests by party */
    this.experts = new Map();
    /** @type {Round[]} */
    this.all = [];
    /** @type {Map<string, {by: string, charter: import("./charter.js").Charter, endorsed: Set<string>}>} */
    this.pending = new Map();
  }

  /** @param {import("../verify/ledger.js").Verified} entry */
  apply({ record, statement, members }) {
    const { author, kind, body } = statement;
    switch (kind) {
      case "genesis":
        this.charter = body.charter;
        break;
      case "submit":
        this.experts.set(author, manifestDigest(body.manifest));
        break;
      case "withdraw":
        this.withdraw(author);
        break;
      case "amend":
      case "endorse":
        this.amend(statement, members);
        break;
      case "open_round":
        this.open(body.round, members, record.time);
        break;
      default:
        if (typeof body?.round === "number") this.current(body.round).apply(statement, record.time);
    }
  }

  open(number, members, time) {
    const last = this.all.at(-1);
    if (number !== this.all.length + 1 || (last !== undefined && !last.isOver)) refuse(`round ${number} is not next`);
    const isActive = (party) => members.authors.get(party)?.isSuspended === false;
    const experts = new Map([...this.experts].filter(([party]) => isActive(party)));
    if (experts.size === 0) refuse("no active party has submitted an expert yet");
    this.all.push(new Round(members.federation, this.charter, number, experts, time));
  }

  current(number) {
    const last = this.all.at(-1);
    if (last?.number !== number) refuse(`round ${number} is not the current one`);
    return last;
  }

  withdraw(party) {
    const expert = this.experts.get(party);
    this.experts.delete(party);
    const last = this.all.at(-1);
    if (last !== undefined && last.published === null && last.experts.get(party) === expert) {
      [last.agreement, last.isVoid] = [null, true];
    }
  }

  /** A charter is in force once those who endorsed it have the weight that the old one and it itself ask for. */
  amend({ author, kind, body }, members) {
    let digest = body.amendment;
    if (kind === "amend") {
      digest = hex(blake3(utf8(JSON.stringify(body))));
      for (const [key, { by }] of this.pending) if (by === author) this.pending.delete(key);
      this.pending.set(digest, { by: author, charter: body.charter, endorsed: new Set() });
    }
    const amendment = this.pending.get(digest) ?? refuse("no such charter is put to the vote");
    if (author !== OPERATOR) amendment.endorsed.add(author);
    const permille = (charter) => charter.amendment?.permille ?? 0;
    const isEndorsed = (charter, least) => {
      const taken = Object.keys(charter.parties).filter((party) => members.authors.has(party));
      const with_ = weightOf(charter, amendment.endorsed);
      return with_ > 0 && isPart(with_, weightOf(charter, taken), least);
    };
    if (!isEndorsed(this.charter, permille(this.charter))) return;
    if (!isEndorsed(amendment.charter, permille(amendment.charter) || 1000)) return;
    this.charter = amendment.charter;
    members.recovery = amendment.charter.keys.recovery;
    this.pending.clear();
    for (const [party, member] of members.authors) {
      if (party === OPERATOR || party in amendment.charter.parties) continue;
      member.isSuspended = true;
      this.experts.delete(party);
    }
  }
}
