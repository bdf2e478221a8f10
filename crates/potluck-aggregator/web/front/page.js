// The page of the front: fetches the points, and ties picture, sliders and result together.

import { Front } from "./model.js";
import { pictures, selector } from "./pictures.js";
import { code, gains, nearest, revision, spoken } from "./result.js";
import { samples } from "./samples.js";
import { sliders } from "./sliders.js";

/** How long λ rests before it is read out, in milliseconds. */
const REST = 700;

const root = document.getElementById("explorer");
if (root) {
  const answer = await fetch(`/api/v1/front${root.dataset.round ? `?round=${root.dataset.round}` : ""}`);
  if (answer.ok) explore(root, await answer.json(), root.dataset.repository ?? "");
}

/**
 * Builds the explorer in an element.
 * @param {HTMLElement} root
 * @param {any} answer What `/api/v1/front` gave.
 * @param {string} repository
 */
export function explore(root, answer, repository) {
  const front = new Front(answer);
  const { parties, start } = front;
  if (parties.length < 2) return;
  let lambda = start;
  const [picture, side, result, said] = ["div", "div", "div", "p"].map((name) => document.createElement(name));
  root.replaceChildren(picture, side);
  root.classList.add("explorer");
  said.className = "unseen-words";
  said.setAttribute("role", "status");

  const move = (next) => {
    lambda = next;
    onceAFrame();
  };
  const draw = pictures(front, picture, move);
  const controls = sliders(parties, start, move);
  side.append(heading("Choose shares"), controls.box, snaps(front, move), heading("What each would gain"), result, said);

  const written = samples(document.getElementById("samples"), front);
  let resting = 0;
  const show = () => {
    controls.show(lambda);
    draw(lambda);
    const { box, how } = gains(front, lambda);
    const loading = copyable(code(repository, revision(parties, lambda)));
    result.replaceChildren(box, paragraph(how), heading("Load it"), loading, heading("Tried out nearby"), nearest(front, lambda));
    // Whoever drags wants the end of it read out, not all that lay between.
    clearTimeout(resting);
    resting = setTimeout(() => {
      said.textContent = spoken(front, lambda);
      written?.(lambda);
    }, REST);
  };
  const onceAFrame = perFrame(show);
  show();
}

/** Calls `show` once a frame, however often it is asked for. */
function perFrame(show) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      show();
    });
  };
}

/** The points that one can go to at once. */
function snaps(front, onMove) {
  const there = front.points.filter((point) => point.lambda);
  const options = ["…", ...there.map((point) => point.label)];
  const row = document.createElement("div");
  row.className = "row";
  row.append(selector("Go to", options, 0, (number) => number > 0 && onMove(there[number - 1].lambda)));
  return row;
}

function heading(text) {
  return Object.assign(document.createElement("h2"), { textContent: text });
}

function paragraph(text) {
  return Object.assign(document.createElement("p"), { textContent: text, className: "soft" });
}

function copyable(text) {
  const [box, pre, button] = ["div", "pre", "button"].map((name) => document.createElement(name));
  box.className = "copy";
  pre.textContent = text;
  Object.assign(button, { type: "button", textContent: "Copy" });
  button.addEventListener("click", async () => {
    // Without TLS there is no clipboard for pages: the text is selected instead.
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(pre);
    }
  });
  box.append(pre, button);
  return box;
}
