// Fills the widgets of taste.html: three parties, two, and an expert that is not the one that was signed.
import "/web/widgets/taste.js";

const folder = "/vectors/summaries";
const { articles } = await (await fetch(`${folder}/expected.json`)).json();
const expert = (party) => ({ party, url: `${folder}/${party}.safetensors` });
const model = { config: `${folder}/config.json`, tokenizer: `${folder}/tokenizer.json`, articles };
const [three, two, forged] = ["three", "two", "forged"].map((id) => document.getElementById(id));
three.load({ ...model, experts: ["agency", "checkers", "readers"].map(expert) });
two.load({ ...model, experts: ["agency", "readers"].map(expert), lambda: { agency: 250_000, readers: 750_000 } });
forged.load({ ...model, experts: [{ ...expert("agency"), blake3: "0".repeat(64) }, expert("readers")] });
