// Mixes each case of tests/vectors/soup, and reads files of weights that are none.
import { hex } from "/web/verify/bytes.js";
import { blake3 } from "/web/verify/hashes.js";
import { Refused } from "/web/verify/refused.js";
import { mix, recipe, soupFile } from "/web/model/mix.js";
import { readTensors } from "/web/model/safetensors.js";

const json = async (path) => (await fetch(path)).json();
const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());

export async function run(names) {
  const report = { right: [], wrong: [], believed: [] };
  for (const name of names) {
    const folder = `/vectors/soup/${name}`;
    const [{ base, experts }, expected] = [await json(`${folder}/recipe.json`), await json(`${folder}/expected.json`)];
    const files = await Promise.all(experts.map(({ party }) => bytes(`${folder}/${party}.safetensors`)));
    const inputs = experts.map(({ party, ppm }, at) => ({ party, ppm, tensors: readTensors(files[at], party) }));
    const { digest } = recipe(base, experts);
    const file = soupFile(mix(inputs), digest);
    const found = { recipe: digest, size: file.length, blake3: hex(blake3(file)) };
    const isRight = found.recipe === expected.recipe && found.size === expected.size && found.blake3 === expected.blake3;
    if (isRight) report.right.push(name);
    else report.wrong.push({ name, found, expected });
  }
  const good = await bytes(`/vectors/soup/${names[0]}/a.safetensors`);
  for (const [what, file] of malformed(good)) {
    try {
      readTensors(file, what);
      report.believed.push(what);
    } catch (error) {
      if (!(error instanceof Refused)) report.believed.push(`${what}: ${error}`);
    }
  }
  return report;
}

function* malformed(good) {
  yield ["empty", new Uint8Array(0)];
  yield ["cut short", good.slice(0, -1)];
  yield ["a byte more", Uint8Array.of(...good, 0)];
  const headers = {
    "no JSON": "{",
    "a list": "[]",
    "two equal names": '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
    "an overlap": '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
    "a hole": '{"a":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}',
    "an unknown type": '{"a":{"dtype":"U9","shape":[1],"data_offsets":[0,1]}}',
    "a type by inheritance": '{"a":{"dtype":"constructor","shape":[1],"data_offsets":[0,1]}}',
    "a negative side": '{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}',
    "a field too many": '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}}',
    "a name with a slash": '{"a/b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
    "a huge shape": '{"a":{"dtype":"U8","shape":[9007199254740991,9007199254740991],"data_offsets":[0,1]}}',
  };
  for (const [what, header] of Object.entries(headers)) {
    const text = new TextEncoder().encode(header);
    yield [what, Uint8Array.of(text.length, 0, 0, 0, 0, 0, 0, 0, ...text, 7)];
  }
}
