// Which words of a text are new against another: the longest common sequence stays, the rest is marked.

/**
 * @param {string} before
 * @param {string} after
 * @returns {{word: string, isNew: boolean}[]} the words of `after`, with what follows each
 */
export function compared(before, after) {
  const [a, b] = [split(before), split(after)];
  // kept[i][j]: how many words a from i and b from j have in common, in order.
  const kept = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      kept[i][j] = a[i] === b[j] ? kept[i + 1][j + 1] + 1 : Math.max(kept[i + 1][j], kept[i][j + 1]);
    }
  }
  const words = [];
  let i = 0;
  for (let j = 0; j < b.length; j += 1) {
    while (i < a.length && a[i] !== b[j] && kept[i + 1][j] >= kept[i][j + 1] && kept[i + 1][j] > 0) i += 1;
    const isCommon = i < a.length && a[i] === b[j];
    if (isCommon) i += 1;
    words.push({ word: b[j], isNew: !isCommon });
  }
  return words;
}

function split(text) {
  return text.split(/\s+/).filter((word) => word !== "");
}
