"""Makes vectors.json: what numpy, scipy and moocore say of numbers that our statistics must agree on.

    pip install numpy==2.4.6 scipy==1.17.1 moocore==0.3.2
    python3 make.py
"""

import json
import pathlib

import moocore
import numpy
import scipy.stats

random = numpy.random.default_rng(1)


def rounded(array):
    return numpy.round(array, 3).tolist()


percentiles = []
for count in [1, 2, 7, 40]:
    values = rounded(random.normal(size=count))
    cents = [0.0, 2.5, 50.0, 97.5, 100.0]
    percentiles.append({"values": values, "per_cent": cents, "are": numpy.percentile(values, cents).tolist()})

correlations = []
for count, levels in [(5, 100), (11, 100), (11, 4), (30, 6)]:
    a, b = (random.integers(0, levels, count).astype(float) for _ in range(2))
    correlations.append({"a": a.tolist(), "b": b.tolist(), "is": float(scipy.stats.spearmanr(a, b).statistic)})

errors = []
for count in [2, 9, 100]:
    values = rounded(random.normal(size=count))
    errors.append({"values": values, "is": float(scipy.stats.sem(values))})

volumes = []
for rewards in [2, 3, 4]:
    for count in [1, 3, 12, 25]:
        points = rounded(random.uniform(-0.5, 1.0, size=(count, rewards)))
        reference = [0.0] * rewards
        # It counts what is dominated where less is better.
        volume = moocore.hypervolume(-numpy.array(points), ref=-numpy.array(reference))
        volumes.append({"points": points, "reference": reference, "is": float(volume)})

vectors = {"percentiles": percentiles, "spearman": correlations, "errors": errors, "hypervolumes": volumes}
path = pathlib.Path(__file__).with_name("vectors.json")
path.write_text(json.dumps(vectors) + "\n")
