// The page on which one tastes soups: hands the widget the experts that this federation serves.

import "../widgets/taste.js";
import { TEXTS } from "./texts.js";

const root = document.getElementById("taste");
const own = document.getElementById("own");

if (root) {
  const taste = document.createElement("potluck-taste");
  root.append(taste);
  const file = (revision, path) => `/${root.dataset.model}/resolve/${revision}/${path}`;
  const experts = JSON.parse(root.dataset.experts).map(({ party, blake3 }) => ({
    party,
    blake3,
    url: file(party, "model.safetensors"),
  }));
  const lambda = root.dataset.lambda ? JSON.parse(root.dataset.lambda) : undefined;
  const load = (articles) => taste.load({ config: file("base", "config.json"), tokenizer: file("base", "tokenizer.json"), experts, articles, lambda });
  load(TEXTS);
  own?.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = own.querySelector("textarea").value.trim();
    if (text) load([text, ...TEXTS]);
  });
}
