// "Recompute the decision": walks the ledger, works out every round from what was signed, and compares.

import { Rounds } from "../decide/rounds.js";
import { walk } from "../verify/ledger.js";
import { parseVerifierKey } from "../verify/note.js";
import { Refused } from "../verify/refused.js";
import { fetched } from "../verify/tiles.js";

const box = document.getElementById("recompute");
const button = box?.querySelector("button");
const status = box?.querySelector("[role=status]");

button?.addEventListener("click", async () => {
  button.disabled = true;
  tell("wait", "Reading the ledger…");
  try {
    const federation = await json("/api/v1/federation");
    const shown = await json(`/api/v1/rounds/${box.dataset.round}`);
    const rounds = new Rounds();
    let told = performance.now();
    await walk(fetched("/"), parseVerifierKey(federation.log_key), (entry) => {
      rounds.apply(entry);
      if (performance.now() - told < 100) return undefined;
      told = performance.now();
      tell("wait", `${entry.index + 1} entries…`);
      return new Promise((resume) => setTimeout(resume));
    });
    compare(rounds.all[Number(box.dataset.round) - 1], shown);
  } catch (error) {
    tell("bad", error instanceof Refused ? `It does not hold: ${error.message}.` : `It could not be worked out: ${error.message}`);
  } finally {
    button.disabled = false;
  }
});

/** Whether the browser came to the shares that the server shows. */
function compare(round, shown) {
  const own = round?.agreement?.lambda ?? null;
  const theirs = shown.agreement?.lambda.ppm ?? null;
  const parties = Object.keys(theirs ?? own ?? {});
  const isSame = own !== null && theirs !== null && parties.every((party) => (own[party] ?? 0) === (theirs[party] ?? 0));
  const shares = own === null ? "nothing" : parties.map((party) => `${party} ${(own[party] ?? 0) / 10_000} %`).join(", ");
  if (isSame) tell("good", `Worked out here from what each party signed: ${shares}. That is what was agreed.`);
  else tell("bad", `Worked out here: ${shares}. The server shows something else.`);
}

async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer.json();
}

function tell(state, sentence) {
  const mark = Object.assign(document.createElement("span"), { className: `state ${state}`, textContent: { good: "same", bad: "no", wait: "…" }[state] });
  status.replaceChildren(mark, ` ${sentence}`);
}
