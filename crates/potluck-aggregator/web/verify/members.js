// Whose key is in force, entry by entry: who may have signed what.
//
// Every page of a ledger rests on this, so it is not taken from the server: it follows from the entries themselves,
// beginning with the genesis. What else the ledger asks of members (proofs that they hold their keys, deadlines of
// invitations, reasons) it asked when it took an entry in, and `potluck audit` asks again; here it is not repeated.

import { publicKeyFromText } from "./ed25519.js";
import { authorName, opened, OPERATOR, parseStatement } from "./envelope.js";
import { hex } from "./bytes.js";
import { deriveKey } from "./hashes.js";
import { refuse } from "./refused.js";

/**
 * @typedef {import("./ed25519.js").PublicKey} PublicKey
 * @typedef {object} Member
 * @property {PublicKey | null} sign
 * @property {PublicKey | null} witness
 * @property {boolean} isSuspended
 * @property {number} next
 * @property {string | null} previous
 */

export class Members {
  constructor() {
    /** @type {string} */
    this.federation = "";
    /** @type {Map<string, Member>} */
    this.authors = new Map();
    /** @type {Set<string>} ids of keys that were in force once: none of them comes back */
    this.retired = new Set();
    /** @type {Map<string, Map<string, Set<string>>>} */
    this.votes = new Map();
    /** @type {PublicKey | null} the log's key in force */
    this.log = null;
    this.recovery = 0;
  }

  /**
   * Verifies an envelope by its author's key in force, and its place in its author's chain.
   * @param {import("./envelope.js").Envelope} envelope
   * @returns {import("./envelope.js").Statement}
   */
  authenticate(envelope) {
    if (envelope.kind === "genesis") return this.founded(envelope);
    if (envelope.federation !== this.federation) refuse("the envelope was signed for another federation");
    const owner = [...this.authors].find(([, member]) => member.sign?.id === envelope.keyid);
    if (owner === undefined) {
      if (envelope.kind !== "join") refuse(`key ${envelope.keyid.slice(0, 12)} signs for nobody in this federation`);
      return this.inPlace(opened(envelope, this.newcomer(envelope)), envelope);
    }
    const [author, member] = owner;
    const statement = opened(envelope, /** @type {PublicKey} */ (member.sign));
    if (statement.author !== author) refuse(`signed by ${shown(author)}, but it speaks for ${shown(statement.author)}`);
    if (member.isSuspended) refuse(`${shown(author)} is suspended`);
    return this.inPlace(statement, envelope);
  }

  /**
   * A genesis names the key that must have signed it.
   * @param {import("./envelope.js").Envelope} envelope
   */
  founded(envelope) {
    if (envelope.federation !== "new" || this.federation !== "") refuse("only the first entry is a genesis");
    const { author, body, sequence, previous } = opened(envelope, publicKeyFromText(parseStatement(envelope).body.operator));
    if (author !== OPERATOR || sequence !== 0 || previous !== null) refuse("a genesis is its operator's first entry");
    this.federation = hex(deriveKey("potluck/1 federation id: genesis payload", envelope.statement));
    const member = this.enter(OPERATOR, { sign: body.operator });
    this.follow(member, envelope);
    this.log = publicKeyFromText(body.log);
    this.recovery = body.charter.keys.recovery;
    return { author, sequence, previous, kind: "genesis", body };
  }

  /** A newcomer's statement is signed with the key that it brings. */
  newcomer(envelope) {
    const { body } = parseStatement(envelope);
    return publicKeyFromText(body?.keys?.sign);
  }

  inPlace(statement, envelope) {
    const member = this.authors.get(statement.author);
    const [next, previous] = [member?.next ?? 0, member?.previous ?? null];
    if (statement.sequence !== next || statement.previous !== previous) {
      refuse(`entry ${statement.sequence} of ${shown(statement.author)} came where entry ${next} is next`);
    }
    if (member !== undefined) this.follow(member, envelope);
    return statement;
  }

  follow(member, envelope) {
    member.next += 1;
    member.previous = envelope.digest;
  }

  /**
   * What a statement changes: called after it was authenticated.
   * @param {import("./envelope.js").Statement} statement
   * @param {import("./envelope.js").Envelope} envelope
   */
  apply(statement, envelope) {
    const { author, kind, body } = statement;
    const operatorOnly = ["admit", "invite", "suspend", "reinstate", "open_round", "publish"];
    if (operatorOnly.includes(kind) && author !== OPERATOR) refuse(`${shown(author)} may not say ${kind}`);
    switch (kind) {
      case "admit":
        this.enter(body.party, body.keys);
        break;
      case "join":
        this.follow(this.enter(author, body.keys), envelope);
        break;
      case "suspend":
      case "reinstate":
        this.member(body.party).isSuspended = kind === "suspend";
        break;
      case "rotate_key":
        this.rotate(author, body);
        break;
      case "revoke_key":
        this.revoke(author, body);
        break;
      case "recover_key":
        this.recover(author, body);
        break;
      default:
        break;
    }
  }

  /**
   * @param {string} author
   * @param {{sign: string, witness?: string}} keys
   * @returns {Member}
   */
  enter(author, keys) {
    const before = this.authors.get(author);
    if (before?.sign) refuse(`${shown(author)} is in already`);
    const member = {
      sign: this.fresh(keys.sign),
      witness: keys.witness === undefined ? null : this.fresh(keys.witness),
      isSuspended: false,
      next: before?.next ?? 0,
      previous: before?.previous ?? null,
    };
    this.authors.set(author, member);
    return member;
  }

  rotate(author, { role, key }) {
    const fresh = this.fresh(key);
    if (role === "log") {
      if (author !== OPERATOR) refuse(`${shown(author)} has no log, so no log key`);
      this.retire(this.log);
      this.log = fresh;
    } else if (role === "sign" || role === "witness") {
      this.replace(author, role, fresh);
    }
  }

  revoke(author, { of, key }) {
    const owner = authorName(of);
    if (author !== owner && author !== OPERATOR) refuse(`${shown(author)} may revoke its own keys only`);
    for (const role of ["sign", "witness"]) {
      if (this.member(owner)[role]?.id === key) this.replace(owner, role, null);
    }
  }

  recover(author, { of, key }) {
    const owner = authorName(of);
    if (author === owner) refuse(`${shown(author)} replaces its own key by rotate_key`);
    const fresh = this.fresh(key);
    const votes = this.votes.get(owner) ?? new Map();
    this.votes.set(owner, votes);
    const by = votes.get(fresh.id) ?? new Set();
    votes.set(fresh.id, by.add(author));
    if (this.recovery > 0 && by.size >= this.recovery) this.replace(owner, "sign", fresh);
  }

  replace(author, role, key) {
    const member = this.member(author);
    this.retire(member[role]);
    member[role] = key;
    if (role === "sign") this.votes.delete(author);
  }

  retire(key) {
    if (key) this.retired.add(key.id);
  }

  /**
   * @param {string} text
   * @returns {PublicKey} one that was never in force here
   */
  fresh(text) {
    const key = publicKeyFromText(text);
    const inForce = [...this.authors.values()].some((it) => it.sign?.id === key.id || it.witness?.id === key.id);
    if (this.retired.has(key.id) || inForce) refuse(`the key ${key.id.slice(0, 12)} was in use here before`);
    return key;
  }

  member(author) {
    return this.authors.get(author) ?? refuse(`${shown(author)} is not in`);
  }
}

/** @param {string} author */
export function shown(author) {
  return author === OPERATOR ? "the operator" : author;
}
