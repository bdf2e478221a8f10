// What the chosen mixture writes beside the base and the nearest that were tried out, side by side.
//
// A party's prompts and what models wrote of them never leave the party, so there is nothing of them to show. Where the experts are
// small and open to all, the reader's browser writes samples itself, of texts that everybody has.

import { TEXTS } from "../taste/texts.js";
import { revision } from "./result.js";

/** The base among experts: no party is called so, since no name has a colon. */
const BASE = ":base";

/**
 * @param {HTMLElement | null} root where they stand, with what the server knows of the files; nothing where there are none
 * @param {import("./model.js").Front} front
 * @returns {((lambda: number[]) => void) | null} writes them for another λ, once somebody asked for samples
 */
export function samples(root, front) {
  const begin = root?.querySelector("button");
  const choice = root?.querySelector("select");
  if (!root || !begin || !choice) return null;
  TEXTS.forEach((text, number) => choice.append(new Option(text.length > 60 ? `${text.slice(0, 58)}…` : text, String(number))));
  const [place, status] = [root.querySelector(".samples"), root.querySelector("[role=status]")];
  let [here, model, turn] = [front.start, null, 0];
  const write = async () => {
    if (model === null) return;
    turn += 1;
    const mine = turn;
    const [rows, text] = [rowsOf(front, here), TEXTS[Number(choice.value)]];
    const cards = rows.map(({ title, note }) => card(title, note));
    place.replaceChildren(given(text), ...cards.map(({ box }) => box));
    for (const [at, { ppm }] of rows.entries()) {
      const outcome = await model.taste(ppm, text);
      // λ moved on meanwhile.
      if (mine !== turn) return;
      cards[at].says(outcome);
    }
    status.textContent = `Written in this browser by ${rows.length} mixtures.`;
  };
  begin.addEventListener("click", async () => {
    begin.disabled = true;
    status.textContent = "Fetching the experts…";
    try {
      model = await loaded(JSON.parse(root.dataset.experts), root.dataset.model);
      begin.hidden = true;
      choice.closest("label").hidden = false;
      await write();
    } catch (error) {
      status.textContent = `There are no samples: ${error.message}.`;
      begin.disabled = false;
    }
  });
  choice.addEventListener("change", write);
  return (lambda) => {
    if (lambda.every((ppm, party) => ppm === here[party]) && turn > 0) return;
    here = lambda;
    void write();
  };
}

/** Base, the chosen λ, and the two that were tried out nearest to it. */
function rowsOf(front, lambda) {
  const named = (shares) => Object.fromEntries(front.parties.map((party, number) => [party, shares[number]]));
  const isHere = (point) => point.lambda.every((ppm, party) => Math.abs(ppm - lambda[party]) < 500);
  const near = front.near(lambda, 3).filter((point) => !isHere(point)).slice(0, 2);
  return [
    { title: "The base", note: "from which all began", ppm: { [BASE]: 1_000_000 } },
    { title: "What you chose", note: revision(front.parties, lambda), ppm: named(lambda) },
    ...near.map((point) => ({ title: point.label, note: `tried out: ${revision(front.parties, point.lambda)}`, ppm: named(point.lambda) })),
  ];
}

function given(text) {
  const quote = document.createElement("blockquote");
  quote.textContent = text;
  return quote;
}

function card(title, note) {
  const [box, head, small, said] = ["section", "h3", "small", "p"].map((name) => document.createElement(name));
  box.className = "card";
  head.textContent = title;
  small.textContent = note;
  said.textContent = "…";
  box.append(head, small, said);
  return { box, says: (text) => { said.textContent = text === "" ? "(nothing)" : text; } };
}

/** Experts and base in a worker, which answers one question after another. */
function loaded(experts, model) {
  const worker = new Worker(new URL("../model/worker.js", import.meta.url), { type: "module" });
  const file = (revision, path) => `/${model}/resolve/${revision}/${path}`;
  let waiting = null;
  let id = 0;
  const asked = (message) => new Promise((resolve, reject) => {
    // Whoever asks again before the answer came waits for the later one alone.
    waiting?.reject(new Error("another was asked for"));
    waiting = { resolve, reject };
    worker.postMessage(message);
  });
  worker.addEventListener("message", ({ data }) => {
    if (data.kind === "tasted" && data.id !== id) return;
    const { resolve, reject } = waiting ?? {};
    waiting = null;
    if (data.kind === "refused") reject?.(new Error(data.sentence));
    else resolve?.(data.text);
  });
  const all = [...experts.map(({ party, blake3 }) => ({ party, blake3, url: file(party, "model.safetensors") })), { party: BASE, url: file("base", "model.safetensors") }];
  const load = { kind: "load", config: file("base", "config.json"), tokenizer: file("base", "tokenizer.json"), experts: all };
  const taste = (lambda, article) => {
    id += 1;
    return asked({ kind: "taste", id, lambda, article }).catch((error) => `(${error.message})`);
  };
  return asked(load).then(() => ({ taste }));
}
