// The front as `/api/v1/front` tells it: mixtures that the parties tried out, and what is expected of all others.

/**
 * @typedef {object} Point
 * @property {"candidate" | "entitlement" | "expert" | "agreed" | "base" | "run"} kind
 * @property {string} label
 * @property {boolean} isEvaluated
 * @property {number[] | null} lambda Parts per million, by party; nothing for the base, which is no mixture.
 * @property {(number | null)[]} gain By party: 0 is no deal, 1 000 000 the best that the party found at first.
 * @property {(number | null)[]} error One standard error, likewise.
 */

/** In parts per million: nearer than this, a mixture is the same for whoever moves a slider. */
const NEAR = 500;

export class Front {
  /** @param {any} answer What `/api/v1/front` gave. */
  constructor(answer) {
    /** @type {string[]} */
    this.parties = answer.parties;
    this.round = answer.round;
    this.models = new Map(answer.models.map((model) => [model.party, model]));
    /** @type {Point[]} */
    this.points = answer.points.map((point) => this.#point(point));
    if (answer.base) {
      const none = this.#gains(answer.base);
      this.points.push({ kind: "base", label: "no deal: the base", isEvaluated: true, lambda: null, ...none });
    }
    /** @type {Point[]} runs of another method, as the operator tells them: no mixtures, and nobody here tried them out */
    this.runs = (answer.morl?.runs ?? []).map((run) => ({ kind: "run", label: run.label, isEvaluated: false, lambda: null, ...this.#gains(run.gains) }));
    this.evaluated = this.points.filter((point) => point.lambda && point.isEvaluated);
    this.start = this.#start(answer);
  }

  /**
   * What each party would gain at λ, and whether that was seen or is expected.
   * @param {number[]} lambda
   */
  at(lambda) {
    const isHere = (point) => point.lambda.every((ppm, party) => Math.abs(ppm - lambda[party]) < NEAR);
    const seen = this.evaluated.find(isHere);
    if (seen) return { how: "evaluated", gain: seen.gain, error: seen.error, point: seen };
    const gain = this.parties.map((party) => value(this.models.get(party), lambda));
    const how = gain.every((it) => it === null) ? "unknown" : "predicted";
    return { how, gain, error: gain.map(() => null), point: null };
  }

  /**
   * The evaluated points that are nearest to λ, nearest first.
   * @param {number[]} lambda
   * @param {number} count
   */
  near(lambda, count) {
    const far = (point) => point.lambda.reduce((sum, ppm, party) => sum + Math.abs(ppm - lambda[party]), 0);
    return [...this.evaluated].sort((a, b) => far(a) - far(b)).slice(0, count);
  }

  #point(point) {
    const lambda = this.parties.map((party) => point.lambda.ppm[party] ?? 0);
    const gains = this.#gains(point.gains);
    return { kind: point.what, label: label(point), isEvaluated: point.is_evaluated, lambda, ...gains };
  }

  #gains(list) {
    const of = new Map(list.map((gain) => [gain.party, gain]));
    return {
      gain: this.parties.map((party) => of.get(party)?.mean ?? null),
      error: this.parties.map((party) => of.get(party)?.error ?? null),
    };
  }

  /** Where one begins: at what was agreed, else at what is in force, else in the middle. */
  #start(answer) {
    const agreed = this.points.find((point) => point.kind === "agreed");
    if (agreed) return agreed.lambda;
    const served = answer.in_force && this.parties.map((party) => answer.in_force.ppm[party] ?? 0);
    if (served && served.reduce((sum, ppm) => sum + ppm, 0) === 1e6) return served;
    const share = Math.floor(1e6 / this.parties.length);
    return this.parties.map((_, party) => (party ? share : 1e6 - share * (this.parties.length - 1)));
  }
}

function label(point) {
  if (point.what === "expert") return `expert of ${point.party}`;
  const number = point.candidate === null ? "" : `candidate ${point.candidate + 1}`;
  if (point.what === "agreed") return number ? `${number}, agreed` : "agreed";
  if (point.what === "entitlement") return number ? `${number}, the fallback` : "the fallback";
  return number || point.lambda.text;
}

/** Scheffé's quadratic at λ, in parts per million. */
function value(model, lambda) {
  if (!model) return null;
  const share = lambda.map((ppm) => ppm / 1e6);
  let sum = share.reduce((total, part, i) => total + part * model.linear[i], 0);
  let pair = 0;
  for (let i = 0; i < share.length; i += 1) {
    for (let j = i + 1; j < share.length; j += 1, pair += 1) sum += model.pairs[pair] * share[i] * share[j];
  }
  return sum;
}
