// The one error of these modules: what was refused, in a sentence for whoever reads the page.

/** Bytes or claims that do not hold. Anything else that is thrown is a mistake of ours. */
export class Refused extends Error {
  /** @param {string} sentence */
  constructor(sentence) {
    super(sentence);
    this.name = "Refused";
  }
}

/**
 * @param {string} sentence
 * @returns {never}
 */
export function refuse(sentence) {
  throw new Refused(sentence);
}
