"""Writes `cases.json` beside it: texts, references, and what sacrebleu and rouge-score make of them.

    python3 -m venv venv && venv/bin/pip install sacrebleu==2.6.0 rouge-score==0.1.2
    venv/bin/python tests/vectors/text-metrics/make.py

Run by hand when the vectors shall change; the tests only read what it wrote.
"""

import json
import pathlib
import random

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

FIXED = [
    ("The cat sat on the mat.", ["The cat is on the mat."]),
    ("The cat sat on the mat.", ["The cat sat on the mat."]),
    ("The cat sat on the mat.", ["A dog.", "The cat sat down on the mat.", "There was a cat on the mat."]),
    ("", ["The cat."]),
    ("The cat.", [""]),
    ("", [""]),
    ("cat", ["cat"]),
    ("a b", ["a b"]),
    ("a b c", ["a b d", "x b c"]),
    ("the the the the the the the", ["The cat is on the mat.", "There is a cat on the mat."]),
    ("It costs $3.50, or 1,200 yen -- 5-10 % more (roughly).", ["It costs 3.50 $ or 1200 yen, 5 - 10% more."]),
    ("He said &quot;no&quot; &amp; left &lt;here&gt;.", ["He said \"no\" & left <here>."]),
    ("co-operate state-of-the-art 3-4 a-1", ["cooperate state of the art 3 - 4 a - 1"]),
    ("hyphen-\nated line\nbreaks <skipped>here-\n", ["hyphenated line breaks here-"]),
    ("tabs\tand\u00a0hard\u2003spaces\x1fand\x1cseparators", ["tabs and hard spaces and separators"]),
    ("Größe, naïve café — “quotes” …", ["Grosse naive cafe - \"quotes\" ..."]),
    ("Größe, naïve café", ["Größe, naïve café!"]),
    ("ΟΔΥΣΣΕΥΣ İstanbul K ß", ["οδυσσευς istanbul k ss"]),
    ("東京 は 日本 の 首都 です 。", ["東京 は 日本 の 首都 だ 。"]),
    ("東京は日本の首都です。", ["東京は日本の首都だ。"]),
    ("emoji 👩‍👩‍👧 and e\u0301 combined", ["emoji 👩‍👩‍👧 and é combined"]),
    ("(hi) -x- 'quoted' ... !! a.", ["(hi) 'quoted' x ... a!"]),
    ("don't can't won't", ["don't can not won't"]),
    ("...", ["..."]),
    ("word " * 60, ["word " * 20]),
    ("x", ["y"]),
]
WORDS = ("the a cat dog sat on mat in of and 3.5 7 1,000 U.S. re-do it's said; (yes) \"no\" end. Über – 2-3 - , . A&B "
         "50% x/y [z] {q} e.g.,").split()


def random_cases(count):
    """Texts of random words, against references that are random changes of them."""
    draw = random.Random(20)
    for _ in range(count):
        text = [draw.choice(WORDS) for _ in range(draw.randint(1, 25))]
        references = []
        for _ in range(draw.randint(1, 3)):
            kept = [draw.choice(WORDS) if draw.random() < 0.3 else word for word in text if draw.random() > 0.15]
            references.append(" ".join(kept + [draw.choice(WORDS) for _ in range(draw.randint(0, 3))]))
        yield " ".join(text), references


def case(text, references):
    """The metrics of one case, as fractions."""
    def bleu(**settings):
        return BLEU(effective_order=True, **settings).sentence_score(text, references).score / 100

    def chrf(**settings):
        return CHRF(**settings).sentence_score(text, references).score / 100

    return {
        "text": text,
        "references": references,
        "bleu": bleu(),
        "bleu_ignore_case": bleu(lowercase=True),
        "chrf": chrf(),
        "chrf_ignore_case": chrf(lowercase=True),
        "chrf_plus_plus": chrf(word_order=2),
        "chrf_3_1_beta_1": chrf(char_order=3, word_order=1, beta=1),
        "rouge_l": float(RougeScorer(["rougeL"]).score_multi(references, text)["rougeL"].fmeasure),
    }


if __name__ == "__main__":
    cases = [case(*it) for it in FIXED + list(random_cases(60))]
    lines = ",\n".join(json.dumps(it) for it in cases)
    pathlib.Path(__file__).with_name("cases.json").write_text(f"[\n{lines}\n]\n")
