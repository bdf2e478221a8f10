// Computes the logits of tests/vectors/hf/llama2, which `transformers` computed, and its greedy continuations.
import { Llama, Run, shapeOf } from "/web/model/llama.js";
import { readTensors } from "/web/model/safetensors.js";

const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
const whole = (tensor) => Array.from(new BigInt64Array(tensor.bytes.slice().buffer), Number);

export async function run() {
  const report = { right: 0, wrong: [] };
  const folder = "/vectors/hf/llama2";
  const shape = shapeOf(await (await fetch(`${folder}/config.json`)).json());
  const model = new Llama(shape, readTensors(await bytes(`${folder}/model.safetensors`), "the model"));
  const expected = readTensors(await bytes(`${folder}/expected.safetensors`), "the answers");
  const [rows, length] = expected.get("tokens").shape;
  const [tokens, mask, greedy] = ["tokens", "mask", "greedy"].map((name) => whole(expected.get(name)));
  const logits = new Float32Array(expected.get("logits").bytes.slice().buffer);
  for (let row = 0; row < rows; row += 1) {
    const text = new Run(model);
    const prompt = [];
    for (let at = 0; at < length; at += 1) {
      const place = row * length + at;
      // Rows of other lengths are padded, in front or behind.
      if (mask[place] === 0) continue;
      prompt.push(tokens[place]);
      const found = model.logits(text.feed(tokens[place]));
      const worst = found.reduce((most, value, k) => Math.max(most, Math.abs(value - logits[place * shape.vocabulary + k])), 0);
      if (worst < 1e-4) report.right += 1;
      else report.wrong.push({ row, at, worst });
    }
    const wanted = greedy.slice((row * greedy.length) / rows, ((row + 1) * greedy.length) / rows);
    const written = model.greedy(prompt, wanted.length, 2);
    if (written.every((token, at) => token === wanted[at])) report.right += 1;
    else report.wrong.push({ row, written, wanted });
  }
  return report;
}
