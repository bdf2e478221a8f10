// Writes the summaries of tests/vectors/summaries.
import { load } from "/web/model/tasting.js";

const FOLDER = "/vectors/summaries";
const json = async (name) => (await fetch(`${FOLDER}/${name}`)).json();
const bytes = async (name) => new Uint8Array(await (await fetch(`${FOLDER}/${name}`)).arrayBuffer());

export async function run() {
  const { articles, cases } = await json("expected.json");
  const parties = Object.keys(cases[0].lambda);
  const experts = await Promise.all(
    parties.map(async (party) => ({ party, file: await bytes(`${party}.safetensors`) })),
  );
  const tasting = load(await json("config.json"), await json("tokenizer.json"), experts);
  const report = { right: 0, wrong: [], distinct: 0 };
  const texts = new Set();
  for (const { lambda, tokens, texts: expected } of cases) {
    articles.forEach((article, at) => {
      const found = tasting.taste(lambda, article);
      texts.add(found.text);
      const isRight = JSON.stringify(found.tokens) === JSON.stringify(tokens[at]) && found.text === expected[at];
      if (isRight) report.right += 1;
      else report.wrong.push({ lambda, at, found, tokens: tokens[at], text: expected[at] });
    });
  }
  report.distinct = texts.size;
  return report;
}
