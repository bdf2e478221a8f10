// Entries and rounds as they happen. A browser that lost the connection comes back by itself and is told what it missed.

const MOST = 100;

const connection = document.getElementById("connection");
const list = document.getElementById("entries");

const source = new EventSource("/api/v1/events");
source.addEventListener("open", () => tell("good", "Connected: what happens now appears here."));
source.addEventListener("error", () => tell("wait", "The connection is gone; trying again…"));

source.addEventListener("entry", ({ data }) => {
  const { index, time, sentence } = JSON.parse(data);
  const item = document.createElement("li");
  const link = Object.assign(document.createElement("a"), { href: `/ledger/${index}`, textContent: sentence });
  item.className = "fresh";
  item.append(Object.assign(document.createElement("time"), { textContent: moment(time) }), " ", link);
  list.prepend(item);
  while (list.children.length > MOST) list.lastElementChild.remove();
});

source.addEventListener("round", async () => {
  // The sentence is the server's; the page that has it is asked for it.
  const page = await fetch("/live");
  if (!page.ok) return;
  const fresh = new DOMParser().parseFromString(await page.text(), "text/html").getElementById("round");
  const shown = document.getElementById("round");
  if (fresh && shown) shown.replaceWith(fresh);
  else if (fresh) connection.after(fresh);
});

// One line for each soup that is being blended; none once it is done.
source.addEventListener("blends", ({ data }) => {
  const lines = JSON.parse(data).map(({ round, done, total }) => {
    const line = document.createElement("p");
    const name = round === null ? "A soup" : `The soup of round ${round}`;
    const bar = document.createElement("progress");
    bar.setAttribute("aria-label", `${name} is being blended`);
    if (total > 0) [bar.max, bar.value] = [total, done];
    line.append(`${name} is being blended: `, bar, total > 0 ? ` ${Math.floor((100 * done) / total)} %` : "");
    return line;
  });
  document.getElementById("work").replaceChildren(...lines);
});

/** As the server writes it: 29 November 2026, 09:40 UTC. */
function moment(seconds) {
  const at = new Date(seconds * 1000);
  const month = at.toLocaleString("en", { month: "long", timeZone: "UTC" });
  const two = (number) => String(number).padStart(2, "0");
  return `${at.getUTCDate()} ${month} ${at.getUTCFullYear()}, ${two(at.getUTCHours())}:${two(at.getUTCMinutes())} UTC`;
}

function tell(state, sentence) {
  const mark = Object.assign(document.createElement("span"), { className: `state ${state}`, textContent: state === "good" ? "live" : "…" });
  connection.replaceChildren(mark, ` ${sentence}`);
}
