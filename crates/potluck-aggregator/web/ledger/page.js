// "Verify" on the pages of the ledger: one entry, or all of them from the founding on.
//
// What was verified is remembered in this browser, so that the next time the log must prove that it only grew.

import { entryAt, latest, walk } from "../verify/ledger.js";
import { parseVerifierKey } from "../verify/note.js";
import { Refused } from "../verify/refused.js";
import { fetched } from "../verify/tiles.js";
import { earlier, remember } from "./memory.js";

const box = document.getElementById("check");
const button = box?.querySelector("button");
const status = box?.querySelector("[role=status]");

button?.addEventListener("click", async () => {
  button.disabled = true;
  try {
    const log = parseVerifierKey(box.dataset.logKey);
    const read = fetched("/");
    const seen = earlier(box.dataset.federation);
    const entry = box.dataset.entry;
    const sentence = entry === undefined ? await all(read, log, seen) : await one(read, log, seen, Number(entry));
    tell("good", sentence);
  } catch (error) {
    tell("bad", error instanceof Refused ? `Not true: ${error.message}.` : `It could not be checked: ${error.message}`);
  } finally {
    button.disabled = false;
  }
});

async function one(read, log, seen, index) {
  const checkpoint = await latest(read, log, seen);
  const { record } = await entryAt(read, checkpoint, index);
  remember(box.dataset.federation, checkpoint);
  return `Entry ${index} (${record.kind.replaceAll("_", " ")}) stands in the log of ${checkpoint.size} entries that its key signed.`;
}

async function all(read, log, seen) {
  const grown = await latest(read, log, seen);
  let told = 0;
  const { checkpoint } = await walk(read, log, ({ index }) => {
    if (performance.now() - told < 100) return undefined;
    told = performance.now();
    tell("wait", `${index + 1} of ${grown.size} entries…`);
    // The page goes on being a page meanwhile.
    return new Promise((resume) => setTimeout(resume));
  });
  remember(box.dataset.federation, checkpoint);
  const since = seen ? `, and what you saw before (${seen.size} entries) is still in it` : "";
  return `All ${checkpoint.size} entries hold: each is signed by its author, stands under the log's signature${since}.`;
}

function tell(state, sentence) {
  const mark = Object.assign(document.createElement("span"), { className: `state ${state}`, textContent: { good: "true", bad: "no", wait: "…" }[state] });
  status.replaceChildren(mark, ` ${sentence}`);
}
