// Mixes experts and writes summaries away from the page's own thread, so that a slider never waits for a model.
//
//   page ─ {kind: "load", …} ─▶ here ─ {kind: "ready", parties, articles}, or {kind: "refused", sentence}
//   page ─ {kind: "taste", id, lambda, article} ─▶ here ─ {kind: "tasted", id, text, tokens, milliseconds}
//
// Of tastes that wait only the latest is answered: whoever drags wants the last place, not all that lay between.

import { textOf } from "../verify/bytes.js";
import { Refused } from "../verify/refused.js";
import { load } from "./tasting.js";

/** @type {import("./tasting.js").Tasting | null} */
let tasting = null;
/** @type {Record<string, any> | null} */
let waiting = null;
let isBusy = false;

/** @param {string} url */
async function fetched(url) {
  const answer = await fetch(url, { credentials: "same-origin" });
  if (!answer.ok) throw new Refused(`${url} is not there (HTTP ${answer.status})`);
  return new Uint8Array(await answer.arrayBuffer());
}

self.addEventListener("message", ({ data }) => {
  if (data.kind === "load") return void begin(data);
  waiting = data;
  if (!isBusy) void work();
});

async function begin({ config, tokenizer, experts }) {
  try {
    const json = async (url, what) => JSON.parse(textOf(await fetched(url), what));
    const files = await Promise.all(experts.map(({ url }) => fetched(url)));
    tasting = load(
      await json(config, "the configuration"),
      await json(tokenizer, "the tokenizer"),
      experts.map(({ party, blake3 }, at) => ({ party, blake3, file: files[at] })),
    );
    self.postMessage({ kind: "ready" });
  } catch (error) {
    self.postMessage({ kind: "refused", sentence: sentenceOf(error) });
  }
}

/** One at a time; between two, messages that came meanwhile are read. */
async function work() {
  isBusy = true;
  while (waiting !== null) {
    const { id, lambda, article } = waiting;
    waiting = null;
    try {
      const started = performance.now();
      const { text, tokens } = tasting.taste(lambda, article);
      self.postMessage({ kind: "tasted", id, text, tokens, milliseconds: performance.now() - started });
    } catch (error) {
      self.postMessage({ kind: "refused", sentence: sentenceOf(error) });
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  isBusy = false;
}

function sentenceOf(error) {
  return error instanceof Refused ? error.message : `the model cannot be tried here: ${error}`;
}
