// Judges the files of tests/vectors/ed25519.
import { verify, hashes } from "/web/vendor/noble-ed25519/index.js";
import { sha512 } from "/web/verify/hashes.js";
import { expectMany, publicKey, verifies } from "/web/verify/ed25519.js";
import { Refused } from "/web/verify/refused.js";

const bytes = (hex) => Uint8Array.from((hex === "-" ? "" : hex).match(/../g) ?? [], (pair) => parseInt(pair, 16));

function judge(key, signature, message) {
  try {
    const known = publicKey(bytes(key));
    const asked = [known, bytes(message ?? ""), bytes(signature)];
    const alone = verifies(...asked);
    // By the multiples that are kept of a key that signs much, it must come to the same.
    expectMany(known);
    if (verifies(...asked) !== alone) throw new Error(`${key} is judged in two ways`);
    return alone;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

async function lines(name) {
  const text = await (await fetch(`/vectors/ed25519/${name}`)).text();
  return text.trim().split("\n").map((line) => line.split(" "));
}

function isRefused(key) {
  try {
    publicKey(bytes(key));
    return false;
  } catch (error) {
    if (error instanceof Refused) return true;
    throw error;
  }
}

export async function run() {
  const wycheproof = { valid: 0, invalid: 0, wrong: [] };
  for (const [number, verdict, key, signature, message] of await lines("wycheproof.txt")) {
    wycheproof[verdict] += 1;
    if (judge(key, signature, message) !== (verdict === "valid")) wycheproof.wrong.push(number);
  }
  const edges = { refused: 0, valid: 0, invalid: 0, wrong: [] };
  for (const [verdict, key, signature, message] of await lines("edges.txt")) {
    edges[verdict] += 1;
    const isRight = verdict === "refused" ? isRefused(key) : judge(key, signature, message) === (verdict === "valid");
    if (!isRight) edges.wrong.push([verdict, key, signature]);
  }
  const identity = Uint8Array.of(1, ...new Uint8Array(31));
  const signature = Uint8Array.of(...identity, ...new Uint8Array(32));
  hashes.sha512 = sha512;
  return {
    wycheproof,
    edges,
    identity: {
      here: judge([...identity].map((it) => it.toString(16).padStart(2, "0")).join(""), "01".padEnd(128, "0"), "00"),
      library: verify(signature, Uint8Array.of(0), identity),
    },
  };
}
