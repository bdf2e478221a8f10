// A check of the whole ledger, as a reader sees it: how far it is, how long it will take, a button that ends it, the outcome.
//
// How far it is changes ten times a second and is a progress bar, which screen readers tell when they are asked; the sentence
// at the end is a status, which they tell by themselves.

const DIGITS = new Intl.NumberFormat("en");

/**
 * Checks the ledger in a worker.
 * @param {HTMLElement} place where progress is shown
 * @param {{log: string, seen?: {size: number, root: Uint8Array}, round?: number}} asked
 * @returns {Promise<{kind: "true", size: number, root: Uint8Array, lambda: Record<string, number> | null}
 *   | {kind: "refused" | "failed" | "stopped", sentence: string}>}
 */
export function checked(place, asked) {
  const worker = new Worker(new URL("../verify/worker.js", import.meta.url), { type: "module" });
  const { box, show, button } = progress();
  place.replaceChildren(box);
  return new Promise((resolve) => {
    const end = (outcome) => {
      worker.terminate();
      place.replaceChildren();
      resolve(outcome);
    };
    worker.addEventListener("message", ({ data }) => (data.kind === "progress" ? show(data) : end(data)));
    worker.addEventListener("error", (event) => end({ kind: "failed", sentence: event.message || "the check could not begin" }));
    button.addEventListener("click", () => end({ kind: "stopped", sentence: "Stopped. What was read so far held." }));
    worker.postMessage({ base: new URL("/", location.href).href, ...asked });
  });
}

function progress() {
  const [box, label, bar, words, button] = ["div", "label", "progress", "span", "button"].map((name) => document.createElement(name));
  box.className = "progress";
  bar.id = "walk";
  label.htmlFor = bar.id;
  label.textContent = "Reading the log…";
  words.className = "soft";
  Object.assign(button, { type: "button", textContent: "Stop" });
  box.append(label, bar, words, button);
  let began = 0;
  let step = "";
  return {
    box,
    button,
    show: (now) => {
      if (now.step !== step) [step, began] = [now.step, performance.now()];
      label.textContent = step === "records" ? "That the log signed these records" : "Who signed each entry";
      [bar.max, bar.value] = [now.size, now.count];
      words.textContent = `${DIGITS.format(now.count)} of ${DIGITS.format(now.size)}${left(now, performance.now() - began)}`;
    },
  };
}

/** How long it will take at the present pace, once there is one to speak of. */
function left({ count, size }, milliseconds) {
  if (milliseconds < 2000) return "";
  const seconds = Math.ceil(((size - count) * milliseconds) / count / 1000);
  return seconds > 90 ? `, some ${Math.round(seconds / 60)} minutes to go` : `, some ${seconds} s to go`;
}

/**
 * Says how it ended.
 * @param {HTMLElement} status
 * @param {"good" | "bad" | "wait"} state
 * @param {string} mark one word
 * @param {string} sentence
 */
export function tell(status, state, mark, sentence) {
  const sign = Object.assign(document.createElement("span"), { className: `state ${state}`, textContent: mark });
  status.replaceChildren(sign, ` ${sentence}`);
}
