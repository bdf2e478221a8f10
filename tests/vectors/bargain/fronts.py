"""The numbers by which `potluck-bargain` tests its fronts, computed by others.

    pip install moocore==0.3.2 pymoo==0.6.2
    python tests/vectors/bargain/fronts.py

Prints each number by both packages, and fails where they differ from each other or from what the tests hold.
"""

import sys

import moocore
import numpy as np
from pymoo.indicators.hv import HV
from pymoo.indicators.igd_plus import IGDPlus

# Maximised points, the reference, and what crates/potluck-bargain/src/front/tests.rs expects.
VOLUMES = [
    ([[1, 0.1], [0.7, 0.35], [0.45, 0.5]], [0, 0], 0.3425),
    ([[0.2, 0.9], [0.5, 0.7], [0.7, 0.5], [0.9, 0.2], [0.4, 0.4]], [0, 0], 0.53),
    ([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6] * 3, [0.8, 0.5, 0.3]], [-0.1] * 3, 0.401),
    ([[1, 2, 3], [2, 3, 1], [3, 1, 2]], [0] * 3, 13),
    ([[1, 2, 3, 4], [2, 3, 4, 1], [3, 4, 1, 2], [4, 1, 2, 3], [2.5] * 4], [0] * 4, 81.0625),
    (
        [[5, 4, 3, 2, 1], [1, 2, 3, 4, 5], [3] * 5, [4, 4, 2, 2, 2], [2, 5, 1, 4, 3]],
        [0] * 5,
        455,
    ),
    ([[0, -1], [-0.5, -0.5], [-1, 0]], [-2, -2], 3.25),
]

OURS = np.array([[0.2, 0.9], [0.5, 0.6], [0.9, 0.2]])
FRONT = np.array([[0, 1], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [1, 0]])

wrong = 0


def compare(what, expected, *found):
    global wrong
    agree = all(abs(it - expected) < 1e-9 * max(1, abs(expected)) for it in found)
    wrong += not agree
    print("ok " if agree else "BAD", what, expected, *found)


for points, reference, expected in VOLUMES:
    points, reference = -np.array(points, float), -np.array(reference, float)
    compare(
        f"hypervolume of {len(points)} points in {points.shape[1]} dimensions",
        expected,
        moocore.hypervolume(points, ref=reference),
        HV(ref_point=reference)(points),
    )
compare("IGD+, maximised", 0.06, moocore.igd_plus(OURS, FRONT, maximise=True), IGDPlus(-FRONT)(-OURS))
compare("IGD+, minimised", 0.16, moocore.igd_plus(OURS, FRONT), IGDPlus(FRONT)(OURS))
compare("additive epsilon, minimised", 0.2, moocore.epsilon_additive(OURS, FRONT))
sys.exit(wrong)
