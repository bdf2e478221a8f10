// Walks a whole ledger away from the page's own thread, so that a page stays a page while a hundred thousand signatures are
// checked. Whoever has enough of it ends the worker.
//
//   page ─ {log, base, seen, round} ─▶ here ─ {kind: "progress", step, count, size} … ─▶ {kind: "true", …}
//                                                                                  or {kind: "refused" | "failed", sentence}

import { Rounds } from "../decide/rounds.js";
import { manyFetched } from "./envelopes.js";
import { latest, walk } from "./ledger.js";
import { parseVerifierKey } from "./note.js";
import { Refused } from "./refused.js";
import { fetched } from "./tiles.js";

/** How often the page hears how far it is, in milliseconds. */
const OFTEN = 100;

self.addEventListener("message", async ({ data }) => {
  try {
    self.postMessage({ kind: "true", ...(await check(data)) });
  } catch (error) {
    const kind = error instanceof Refused ? "refused" : "failed";
    self.postMessage({ kind, sentence: error.message });
  }
});

/**
 * @param {{log: string, base: string, seen?: {size: number, root: Uint8Array}, round?: number}} asked `seen` is what this browser
 *   verified before; of `round` it is worked out what was agreed
 */
async function check({ log, base, seen, round }) {
  const [read, key] = [fetched(base), parseVerifierKey(log)];
  await latest(read, key, seen);
  const tell = told();
  const rounds = round === undefined ? null : new Rounds();
  let size = 0;
  const { checkpoint } = await walk(
    read,
    key,
    (entry) => {
      rounds?.apply(entry);
      tell("entries", entry.index + 1, size);
    },
    {
      onRecords: (count, all) => {
        size = all;
        tell("records", count, all);
      },
      many: manyFetched(base),
    },
  );
  const lambda = rounds?.all[round - 1]?.agreement?.lambda ?? null;
  return { size: checkpoint.size, root: checkpoint.root, lambda };
}

/** Tells how far it is, now and then. */
function told() {
  let last = 0;
  return (step, count, size) => {
    if (performance.now() - last < OFTEN) return;
    last = performance.now();
    self.postMessage({ kind: "progress", step, count, size });
  };
}
