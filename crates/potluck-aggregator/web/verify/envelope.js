// Signed statements: DSSE envelopes over stored bytes, and the bundles in which submissions are signed.
//
//   PAE  = "DSSEv1" SP len(type) SP type SP len(payload) SP payload
//   type = "application/vnd.potluck." kind "+json;v=1;federation=" ("new" | 64 hex digits)
//
// The type is the domain: it names kind, version and federation, so that a signature made for one can never be shown as
// one for another. The payload is parsed only once the signature holds (`opened`).

import { concat, equal, fromBase64, fromHex, hex, utf8 } from "./bytes.js";
import { verifies } from "./ed25519.js";
import { sha256 } from "./hashes.js";
import { compact, fields } from "./json.js";
import { refuse } from "./refused.js";

const MAX_ENVELOPE = 1 << 20;
const TYPE = /^application\/vnd\.potluck\.([a-z_]{1,32})\+json;v=1;federation=(new|[0-9a-f]{64})$/;
const IN_TOTO = "application/vnd.in-toto+json";
const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";

/**
 * An envelope whose shape is known and whose signature is not.
 * @typedef {object} Envelope
 * @property {string} digest SHA-256 of its text, in hexadecimal: by this the log names it
 * @property {string} kind
 * @property {string} federation its id, or `new`
 * @property {string} keyid the key that it claims to be signed with
 * @property {Uint8Array} signed what the signature is over
 * @property {Uint8Array} signature
 * @property {Uint8Array} statement the text of what is said; hostile until `opened`
 */

/**
 * @param {Uint8Array} bytes
 * @returns {Envelope}
 */
export function parseEnvelope(bytes) {
  if (bytes.length > MAX_ENVELOPE) refuse(`an envelope has at most ${MAX_ENVELOPE} bytes`);
  const value = compact(bytes, "the envelope");
  const digest = hex(sha256(bytes));
  const isBundle = typeof value === "object" && value !== null && "mediaType" in value;
  return isBundle ? bundle(value, digest) : plain(value, digest);
}

/**
 * @param {unknown} value
 * @param {string} digest
 * @returns {Envelope}
 */
function plain(value, digest) {
  const { payload, payloadType, signatures } = fields(value, ["payload", "payloadType", "signatures"], "the envelope");
  const [entry] = list(signatures, 1, "the envelope's signatures");
  const { keyid, sig } = fields(entry, ["keyid", "sig"], "the envelope's signature");
  const domain = typeof payloadType === "string" ? TYPE.exec(payloadType) : null;
  if (domain === null) refuse("the payload type is not one that this version knows");
  if (domain[1] === "submit") refuse("a submission is signed as a bundle");
  const statement = fromBase64(payload, "the payload");
  return {
    digest,
    kind: domain[1],
    federation: domain[2],
    keyid: hex(fromHex(keyid, 32, "the key's id")),
    signed: preAuthenticationEncoding(payloadType, statement),
    signature: bytes64(sig, "the signature"),
    statement,
  };
}

/**
 * A submission: a Sigstore bundle around an in-toto statement, in which the party's statement stands under
 * `predicate.potluck`. The party's signature is the second; the first, of a short-lived key, is not looked at here.
 * @param {unknown} value
 * @param {string} digest
 * @returns {Envelope}
 */
function bundle(value, digest) {
  const what = "the submission";
  const top = fields(value, ["mediaType", "verificationMaterial", "dsseEnvelope"], what);
  if (top.mediaType !== BUNDLE) refuse(`${what} is a bundle of another kind`);
  const material = fields(top.verificationMaterial, ["x509CertificateChain"], what);
  const chain = fields(material.x509CertificateChain, ["certificates"], what);
  const certificate = fields(list(chain.certificates, 1, `${what}'s certificates`)[0], ["rawBytes"], what);
  const leaf = fromBase64(certificate.rawBytes, `${what}'s certificate`);
  const inner = fields(top.dsseEnvelope, ["payload", "payloadType", "signatures"], what);
  if (inner.payloadType !== IN_TOTO) refuse(`${what} holds no in-toto statement`);
  const [, second] = list(inner.signatures, 2, `${what}'s signatures`);
  const { sig, keyid } = fields(second, ["sig", "keyid"], `${what}'s second signature`);
  const payload = fromBase64(inner.payload, `${what}'s payload`);
  const said = potluckPart(payload, leaf);
  return {
    digest,
    kind: "submit",
    federation: hex(fromHex(said.federation, 32, "the federation's id")),
    keyid: hex(fromHex(keyid, 32, "the key's id")),
    signed: preAuthenticationEncoding(IN_TOTO, payload),
    signature: bytes64(sig, `${what}'s second signature`),
    statement: utf8(JSON.stringify(said.statement)),
  };
}

/**
 * What is ours in an in-toto statement; all else in it has to follow from that.
 * @param {Uint8Array} payload
 * @param {Uint8Array} leaf
 * @returns {Record<string, any>}
 */
function potluckPart(payload, leaf) {
  const what = "the in-toto statement";
  const value = fields(compact(payload, what), ["_type", "subject", "predicateType", "predicate"], what);
  const predicate = fields(value.predicate, ["serialization", "resources", "potluck"], what);
  const said = fields(predicate.potluck, ["v", "kind", "federation", "leaf", "statement"], what);
  if (said.v !== 1 || said.kind !== "submit") refuse(`${what} is of another version or kind`);
  if (said.leaf !== hex(sha256(leaf))) refuse(`${what} speaks of another certificate`);
  const files = said.statement?.body?.submit?.manifest;
  const party = said.statement?.author?.party;
  if (!Array.isArray(files) || typeof party !== "string") refuse(`${what} submits nothing`);
  const digests = files.map((file) => fromHex(file?.sha256, 32, "a file's SHA-256"));
  const expected = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: party, digest: { sha256: hex(sha256(concat(...digests))) } }],
    predicateType: "https://model_signing/signature/v1.0",
    predicate: {
      serialization: { method: "files", hash_type: "sha256", allow_symlinks: false, ignore_paths: [] },
      resources: files.map((file) => ({ name: file.path, algorithm: "sha256", digest: file.sha256 })),
      potluck: said,
    },
  };
  if (!equal(utf8(JSON.stringify(expected)), payload)) refuse(`${what} does not follow from the submission in it`);
  return said;
}

/**
 * DSSE v1.0, "Signature Definition": PAE(type, body).
 * @param {string} type
 * @param {Uint8Array} payload
 * @returns {Uint8Array}
 */
export function preAuthenticationEncoding(type, payload) {
  return concat(utf8(`DSSEv1 ${utf8(type).length} ${type} ${payload.length} `), payload);
}

/**
 * What the envelope says, once `key` is known to have signed it.
 * @param {Envelope} envelope
 * @param {import("./ed25519.js").PublicKey} key
 * @returns {Statement}
 */
export function opened(envelope, key) {
  if (envelope.keyid !== key.id) refuse("the envelope is signed with another key");
  if (!verifies(key, envelope.signed, envelope.signature)) {
    refuse(`the signature of key ${key.id.slice(0, 12)} does not verify`);
  }
  return parseStatement(envelope);
}

/**
 * @typedef {object} Statement
 * @property {string} author a party's name, or OPERATOR
 * @property {number} sequence
 * @property {string | null} previous
 * @property {string} kind
 * @property {Record<string, any>} body what is said
 */

/**
 * Reads the statement of an envelope. Of one that is not verified only the key may be taken that must have signed it.
 * @param {Envelope} envelope
 * @returns {Statement}
 */
export function parseStatement(envelope) {
  const what = "the statement";
  const value = fields(compact(envelope.statement, what), ["author", "sequence", "previous", "body"], what);
  const body = fields(value.body, [envelope.kind], `${what} of kind ${envelope.kind}`);
  return {
    author: authorName(value.author),
    sequence: value.sequence,
    previous: value.previous,
    kind: envelope.kind,
    body: body[envelope.kind],
  };
}

/**
 * @param {unknown} author as statements name one
 * @returns {string} a party's name, or OPERATOR
 */
export function authorName(author) {
  if (author === "operator") return OPERATOR;
  const { party } = fields(author, ["party"], "an author");
  if (!isPartyName(party)) refuse("a party's name is 1 to 32 of a-z, 0-9 and -, beginning with a letter");
  return party;
}

/** The operator among authors: no party is called so, since no name has a colon. */
export const OPERATOR = ":operator";

/**
 * @param {unknown} name
 * @returns {boolean}
 */
export function isPartyName(name) {
  return typeof name === "string" && /^[a-z][a-z0-9-]{0,31}$/.test(name);
}

/**
 * @param {unknown} text
 * @param {string} what
 * @returns {Uint8Array}
 */
function bytes64(text, what) {
  const bytes = fromBase64(text, what);
  if (bytes.length !== 64) refuse(`${what} has not 64 bytes`);
  return bytes;
}

/**
 * @param {unknown} value
 * @param {number} length
 * @param {string} what
 * @returns {any[]}
 */
function list(value, length, what) {
  if (!Array.isArray(value) || value.length !== length) refuse(`${what} are not ${length}`);
  return value;
}
