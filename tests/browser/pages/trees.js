// Makes proofs from tiles, compares them with the log's own, and asks whether altered ones are believed.
import { fromHex, hex } from "/web/verify/bytes.js";
import { Frontier, leafHash, verifyConsistency, verifyInclusion } from "/web/verify/merkle.js";
import { Refused } from "/web/verify/refused.js";
import { fetched, Tiles } from "/web/verify/tiles.js";

const hash = (text) => fromHex(text, 32, "a hash");
const same = (hashes, texts) => JSON.stringify(hashes.map(hex)) === JSON.stringify(texts);

export async function run(trees) {
  const report = { wrong: [], believed: [], refused: 0 };
  for (const tree of trees) {
    const tiles = new Tiles(fetched(`/made/${tree.size}/`), tree.size);
    if (hex(await tiles.root()) !== tree.root) report.wrong.push(["root", tree.size]);
    if (tree.size <= 700 && !(await hasRoot(tiles, tree))) report.wrong.push(["frontier", tree.size]);
    for (const { index, leaf, proof } of tree.inclusion) {
      const made = await tiles.inclusionProof(index);
      if (!same(made, proof)) report.wrong.push(["inclusion", tree.size, index]);
      verifyInclusion(hash(leaf), index, tree.size, hash(tree.root), made);
      for (const altered of alterations(made)) {
        attempt(report, ["inclusion", tree.size, index], () =>
          verifyInclusion(hash(leaf), index, tree.size, hash(tree.root), altered),
        );
      }
      const others = [[leaf, index + 1, tree.size, tree.root], [tree.root, index, tree.size, tree.root], [leaf, index, tree.size, leaf]];
      for (const [a, b, c, d] of tree.size === 1 ? [] : others) {
        attempt(report, ["claim", tree.size, index], () => verifyInclusion(hash(a), b, c, hash(d), made));
      }
    }
    for (const { old, root, proof } of tree.consistency) {
      const made = await tiles.consistencyProof(old);
      if (!same(made, proof)) report.wrong.push(["consistency", tree.size, old]);
      verifyConsistency(old, hash(root), tree.size, hash(tree.root), made);
      for (const altered of alterations(made)) {
        attempt(report, ["consistency", tree.size, old], () =>
          verifyConsistency(old, hash(root), tree.size, hash(tree.root), altered),
        );
      }
      attempt(report, ["fork", tree.size, old], () => verifyConsistency(old, hash(tree.root), tree.size, hash(tree.root), made));
      attempt(report, ["fork", tree.size, old], () => verifyConsistency(old, hash(root), tree.size, hash(root), made));
      attempt(report, ["shrinks", tree.size, old], () => verifyConsistency(tree.size, hash(tree.root), old, hash(root), made));
    }
  }
  return report;
}

async function hasRoot(tiles, tree) {
  const frontier = new Frontier();
  for (let bundle = 0; bundle * 256 < tree.size; bundle += 1) {
    for (const record of await tiles.records(bundle)) frontier.push(leafHash(record));
  }
  return hex(frontier.root()) === tree.root;
}

/** Each hash with a bit flipped, one hash less, one more. */
function* alterations(proof) {
  for (let at = 0; at < proof.length; at += 1) {
    const flipped = proof.map((it) => Uint8Array.from(it));
    flipped[at][at % 32] ^= 1;
    yield flipped;
  }
  if (proof.length > 0) yield proof.slice(1);
  yield [...proof, new Uint8Array(32)];
}

function attempt(report, what, verify) {
  try {
    verify();
    report.believed.push(what);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    report.refused += 1;
  }
}
