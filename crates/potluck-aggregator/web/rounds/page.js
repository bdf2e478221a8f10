// "Recompute the decision": walks the ledger, works out every round from what was signed, and compares.

import { checked, tell } from "../ledger/check.js";

const box = document.getElementById("recompute");
const button = box?.querySelector("button");
const status = box?.querySelector("[role=status]");
const place = box?.querySelector(".walk");

button?.addEventListener("click", async () => {
  button.disabled = true;
  status.replaceChildren();
  try {
    const round = Number(box.dataset.round);
    const shown = await json(`/api/v1/rounds/${round}`);
    const outcome = await checked(place, { log: box.dataset.logKey, round });
    if (outcome.kind === "true") compare(outcome.lambda, shown.agreement?.lambda.ppm ?? null);
    else if (outcome.kind === "refused") tell(status, "bad", "not true", `${outcome.sentence}.`);
    else if (outcome.kind === "stopped") tell(status, "wait", "stopped", outcome.sentence);
    else throw new Error(outcome.sentence);
  } catch (error) {
    tell(status, "wait", "not known", `It could not be worked out: ${error.message}`);
  } finally {
    button.disabled = false;
    button.focus();
  }
});

/** Whether the browser came to the shares that the server shows. */
function compare(own, theirs) {
  const parties = Object.keys(theirs ?? own ?? {});
  const isSame = own !== null && theirs !== null && parties.every((party) => (own[party] ?? 0) === (theirs[party] ?? 0));
  const shares = own === null ? "nothing" : parties.map((party) => `${party} ${(own[party] ?? 0) / 10_000} %`).join(", ");
  if (isSame) tell(status, "good", "equal", `Worked out here from what each party signed: ${shares}. That is what was agreed.`);
  else tell(status, "bad", "not equal", `Worked out here: ${shares}. The server shows something else.`);
}

async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer.json();
}
