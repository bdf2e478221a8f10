// Walks ledgers and decides their rounds again.
import { Rounds } from "/web/decide/rounds.js";
import { walk } from "/web/verify/ledger.js";
import { parseVerifierKey } from "/web/verify/note.js";
import { fetched } from "/web/verify/tiles.js";

export async function run(ledgers) {
  const report = { right: 0, wrong: [] };
  for (const [number, { log, rounds: expected }] of ledgers.entries()) {
    const rounds = new Rounds();
    try {
      await walk(fetched(`/made/${number}/`), parseVerifierKey(log), (entry) => rounds.apply(entry));
    } catch (error) {
      report.wrong.push({ number, error: String(error) });
      continue;
    }
    if (rounds.all.length !== expected.length) report.wrong.push({ number, rounds: rounds.all.length });
    expected.forEach((round, at) => {
      const mine = rounds.all[at];
      const isRight =
        mine.isVoid === round.void &&
        mine.agreementDigest === (round.agreement?.digest ?? null) &&
        (mine.published !== null) === round.published;
      if (isRight) report.right += 1;
      else report.wrong.push({ number, at, expected: round, found: mine.agreement, void: mine.isVoid });
    });
  }
  return report;
}
