// "Verify" on the pages of the ledger: one entry, or all of them from the founding on.
//
// The modules that verify are fetched once somebody wants that. What was verified is remembered in this browser, so that the next time the log must prove that it only grew.

import { Refused } from "../verify/refused.js";
import { checked, tell } from "./check.js";
import { earlier, remember } from "./memory.js";

const box = document.getElementById("check");
const button = box?.querySelector("button");
const status = box?.querySelector("[role=status]");
const place = box?.querySelector(".walk");

button?.addEventListener("click", async () => {
  button.disabled = true;
  status.replaceChildren();
  const seen = earlier(box.dataset.federation);
  const { logKey, entry } = box.dataset;
  try {
    if (entry === undefined) await all(logKey, seen);
    else await one(logKey, seen, Number(entry));
  } catch (error) {
    if (error instanceof Refused) tell(status, "bad", "not true", `${error.message}.`);
    else tell(status, "wait", "not known", `It could not be checked: ${error.message}`);
  } finally {
    button.disabled = false;
    button.focus();
  }
});

async function one(logKey, seen, index) {
  const [{ entryAt, latest }, { parseVerifierKey }, { fetched }] = await Promise.all([
    import("../verify/ledger.js"),
    import("../verify/note.js"),
    import("../verify/tiles.js"),
  ]);
  const read = fetched("/");
  const checkpoint = await latest(read, parseVerifierKey(logKey), seen);
  const { record } = await entryAt(read, checkpoint, index);
  remember(box.dataset.federation, checkpoint);
  const kind = record.kind.replaceAll("_", " ");
  tell(status, "good", "true", `Entry ${index} (${kind}) stands in the log of ${checkpoint.size} entries that its key signed.`);
}

async function all(log, seen) {
  const outcome = await checked(place, { log, seen });
  if (outcome.kind === "refused") throw new Refused(outcome.sentence);
  if (outcome.kind === "failed") throw new Error(outcome.sentence);
  if (outcome.kind === "stopped") return tell(status, "wait", "stopped", outcome.sentence);
  remember(box.dataset.federation, outcome);
  const since = seen ? `, and what you saw before (${seen.size} entries) is still in it` : "";
  return tell(status, "good", "true", `All ${outcome.size} entries hold: each is signed by its author, stands under the log's signature${since}.`);
}
