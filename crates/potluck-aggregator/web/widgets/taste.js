// <potluck-taste>: drag λ, and the page mixes the experts itself and writes the summary again.
//
// The page gives it what to taste by `taste.load({config, tokenizer, experts, articles, lambda})`; addresses are of this
// host. Everything is text nodes and attributes: what a model writes is never read as markup.

import { moved } from "./shares.js";
import { compared } from "./words.js";

const MILLION = 1_000_000;
const WORKER = new URL("../model/worker.js", import.meta.url);

/** @param {string} name @param {Record<string, string>} [attributes] @param {...(Node | string)} children */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** @param {number} ppm */
const percent = (ppm) => `${(ppm / 10_000).toFixed(1)} %`;

let made = 0;

export class PotluckTaste extends HTMLElement {
  /**
   * @param {object} what
   * @param {string} what.config address of `config.json`
   * @param {string} what.tokenizer address of `tokenizer.json`
   * @param {{party: string, url: string, blake3?: string}[]} what.experts
   * @param {string[]} what.articles
   * @param {Record<string, number>} [what.lambda] where the sliders begin: the agreement, say
   */
  load({ config, tokenizer, experts, articles, lambda }) {
    this.stop();
    this.parties = experts.map(({ party }) => party);
    this.articles = articles;
    this.shares = lambda ? this.parties.map((party) => lambda[party] ?? 0) : this.evenly();
    this.begun = [...this.shares];
    this.sent = 0;
    this.text = "";
    this.draw();
    this.worker = new Worker(WORKER, { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.hear(data));
    this.worker.addEventListener("error", () => this.say("The model cannot be tried in this browser."));
    const absolute = (url) => new URL(url, document.baseURI).href;
    this.worker.postMessage({
      kind: "load",
      config: absolute(config),
      tokenizer: absolute(tokenizer),
      experts: experts.map((expert) => ({ ...expert, url: absolute(expert.url) })),
    });
    this.say("Fetching the experts…");
  }

  disconnectedCallback() {
    this.stop();
  }

  stop() {
    this.worker?.terminate();
    this.worker = null;
  }

  evenly() {
    const each = Math.floor(MILLION / this.parties.length);
    return this.parties.map((_, k) => (k === 0 ? MILLION - each * (this.parties.length - 1) : each));
  }

  /** Two parties share one slider: the one's share is what the other's is not. More have one each. */
  draw() {
    made += 1;
    const name = `taste-${made}`;
    const slid = this.parties.length === 2 ? [this.parties[0]] : this.parties;
    this.sliders = slid.map((party, k) => this.slider(party, k, name));
    this.chosen = element("select", { id: `${name}-article` });
    this.articles.forEach((article, at) => this.chosen.append(element("option", { value: `${at}` }, `${at + 1}: ${article.slice(0, 60)}…`)));
    this.chosen.addEventListener("change", () => this.ask(true));
    this.back = element("button", { type: "button" }, "Back to where it began");
    this.back.addEventListener("click", () => this.move(this.begun));
    this.article = element("p", { class: "taste-article" });
    // The words that changed are shown by a mark; a screen reader is read the new text, once it stands still.
    this.summary = element("p", { class: "taste-summary" });
    this.spoken = element("p", { class: "taste-spoken", "aria-live": "polite" });
    this.status = element("p", { class: "taste-status", role: "status" });
    const legend = this.parties.length === 2 ? "How much of each expert" : "How much of each expert; moving one moves the others";
    this.replaceChildren(
      element("fieldset", {}, element("legend", {}, legend), ...this.sliders.map(({ row }) => row), this.back),
      element("p", { class: "taste-choice" }, element("label", { for: `${name}-article` }, "The text to summarise"), this.chosen),
      this.article,
      element("h3", {}, "Its summary"),
      this.summary,
      this.spoken,
      this.status,
    );
    this.show();
  }

  slider(party, at, name) {
    const id = `${name}-${at}`;
    const input = element("input", { id, type: "range", min: "0", max: "100", step: "1" });
    const output = element("output", { for: id });
    input.addEventListener("input", () => this.move(moved(this.shares, at, Number(input.value) * 10_000)));
    const other = this.parties.length === 2 ? this.parties[1] : null;
    const label = element("label", { for: id }, other === null ? party : `${party} against ${other}`);
    return { row: element("div", { class: "taste-slider" }, label, input, output), input, output, at };
  }

  move(shares) {
    this.shares = [...shares];
    this.show();
    this.ask(false);
  }

  show() {
    for (const { input, output, at } of this.sliders) {
      input.value = String(Math.round(this.shares[at] / 10_000));
      const all = this.parties.length === 2 ? this.parties.map((party, k) => `${party} ${percent(this.shares[k])}`).join(", ") : percent(this.shares[at]);
      output.textContent = all;
      input.setAttribute("aria-valuetext", all);
    }
    this.article.textContent = this.articles[this.chosen.selectedIndex] ?? "";
  }

  /** @param {boolean} isOther whether another text is summarised: then nothing is compared with what was there */
  ask(isOther) {
    if (isOther) {
      this.text = "";
      this.show();
    }
    this.sent += 1;
    const lambda = Object.fromEntries(this.parties.map((party, k) => [party, this.shares[k]]));
    this.worker?.postMessage({ kind: "taste", id: this.sent, lambda, article: this.articles[this.chosen.selectedIndex] });
  }

  hear(data) {
    if (data.kind === "ready") this.ask(true);
    if (data.kind === "refused") this.say(`${data.sentence[0].toUpperCase()}${data.sentence.slice(1)}.`);
    if (data.kind === "tasted") this.tasted(data);
  }

  tasted({ id, text, milliseconds }) {
    const words = this.text === "" ? compared(text, text) : compared(this.text, text);
    this.summary.replaceChildren(...words.flatMap(({ word, isNew }) => [isNew ? element("mark", {}, word) : word, " "]));
    this.text = text;
    if (id !== this.sent) return;
    this.dataset.answered = String(id);
    this.spoken.textContent = text;
    const changed = words.filter(({ isNew }) => isNew).length;
    const difference = changed === 0 ? "No word differs from before." : `${changed} of ${words.length} words differ from before.`;
    this.say(`Written in this browser in ${Math.max(1, Math.round(milliseconds))} ms. ${difference}`);
  }

  say(sentence) {
    this.status.textContent = sentence;
  }
}

customElements.define("potluck-taste", PotluckTaste);
