// Walks a ledger, and then each of many ledgers that differ from it in one bit.
import { Rounds } from "/web/decide/rounds.js";
import { cosigners } from "/web/verify/checkpoint.js";
import { entryAt, latest, walk } from "/web/verify/ledger.js";
import { COSIGNATURE, parseVerifierKey } from "/web/verify/note.js";
import { Refused } from "/web/verify/refused.js";
import { fetched } from "/web/verify/tiles.js";

export async function run({ log: line, witness }) {
  const files = new Map();
  const remote = fetched("/made/");
  const read = async (path, most) => {
    if (!files.has(path)) files.set(path, await remote(path, most));
    return files.get(path);
  };
  const log = parseVerifierKey(line);
  const rounds = new Rounds();
  const kinds = [];
  const { checkpoint, members } = await walk(read, log, (entry) => {
    kinds.push(entry.statement.kind);
    rounds.apply(entry);
  });
  for (let index = 0; index < checkpoint.size; index += 1) await entryAt(read, checkpoint, index);
  await latest(read, log, checkpoint);
  const report = {
    size: checkpoint.size,
    federation: members.federation,
    kinds,
    cosigners: cosigners(files.get("checkpoint"), [parseVerifierKey(witness, COSIGNATURE)]),
    agreed: rounds.all.map((round) => round.published),
    believed: [],
    refused: 0,
  };
  const originals = [...files];
  for (const [path, bytes] of originals) {
    // A stride that is prime, so that every field is met in one file or another. The lines of the witness's signature
    // are not the log's word: they are asked about by `cosigners`.
    const signed = path === "checkpoint" ? bytes.length - 180 : bytes.length;
    for (let at = path.length % 7; at < signed; at += path === "checkpoint" ? 5 : 131) {
      const altered = Uint8Array.from(bytes);
      altered[at] ^= 1;
      await attempt(report, [path, at], (name, most) => (name === path ? Promise.resolve(altered) : read(name, most)), log);
    }
  }
  return report;
}

async function attempt(report, what, read, log) {
  try {
    const { checkpoint } = await walk(read, log, () => {});
    // The tiles of hashes are not walked: proofs are made from them.
    if (what[0].startsWith("tile/0")) await entryAt(read, checkpoint, (Math.floor(what[1] / 32) ^ 1) % checkpoint.size);
    report.believed.push(what);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    report.refused += 1;
  }
}
