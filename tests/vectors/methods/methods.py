#!/usr/bin/env python3
"""A second implementation of the methods of docs/formats.md beside `linear/1`, in slow Python.

    python3 methods.py          recompute every case beside this file and compare (standard library only)
    python3 methods.py make     write inputs and cases anew; `oracle.py make` has to follow
"""

import hashlib
import json
import math
import random
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "soup"))
sys.dont_write_bytecode = True

import blake3
from reference import CONSTANTS, narrow, pack, read, size, widen, words, write

MILLION = 1_000_000


def weighted(factors, columns):
    sums = [0.0] * len(columns[0])
    for factor, column in zip(factors, columns):
        for e, x in enumerate(column):
            sums[e] = sums[e] + factor * x
    return sums


def linear(ppm, columns):
    if ppm == [MILLION]:
        return columns[0]
    return [s / 1e6 for s in weighted([float(p) for p in ppm], columns)]


def dot(a, b):
    lanes = [0.0] * 8
    for e in range(len(a)):
        lanes[e % 8] = lanes[e % 8] + a[e] * b[e]
    total = 0.0
    for lane in lanes:
        total = total + lane
    return total


def quotient(x, y):
    """As IEEE 754 divides zeros, which Python refuses."""
    return x / y if y != 0.0 else math.nan


def task_arithmetic(ppm, columns, base, **_):
    rest = MILLION - sum(ppm)
    if rest != 0:
        ppm, columns = [rest] + ppm, [base] + columns
    return linear(ppm, columns)


def slerp(ppm, columns, base, **_):
    if len(columns) == 1:
        return columns[0]
    a, b = columns
    c = quotient(dot(a, b), math.sqrt(dot(a, a)) * math.sqrt(dot(b, b)))
    if not abs(c) <= 0.9995:
        return linear(ppm, columns)
    low, high, k, r = (1.0, 0.0), (0.0, 1.0), c, ppm[1]
    for _ in range(30):
        k = math.sqrt((1.0 + k) / 2.0)
        middle = tuple((l + h) / (2.0 * k) for l, h in zip(low, high))
        r *= 2
        if r >= MILLION:
            r -= MILLION
            low = middle
        else:
            high = middle
    f = r / 1e6
    return weighted([l + f * (h - l) for l, h in zip(low, high)], columns)


def changes(columns, base):
    return [[x - b for x, b in zip(column, base)] for column in columns]


def elected(ppm, columns, base, kept, parameters, rescale):
    strength, consensus = parameters["strength"], parameters["consensus"]
    whole = parameters["density"] == strength == MILLION
    if len(columns) == 1 and whole and (consensus == "mean" or ppm == [MILLION]):
        return columns[0]
    factors = [float(p) for p in ppm]
    votes, made = weighted(factors, kept), []
    for e, vote in enumerate(votes):
        s, w = 0.0, 0.0
        for p, column in zip(factors, kept):
            d = column[e]
            if vote > 0.0 and d > 0.0 or vote < 0.0 and d < 0.0:
                s, w = s + p * d, w + p
        if w == 0.0:
            made.append(base[e])
            continue
        m = s / w if consensus == "mean" else s / 1e6
        if strength != rescale:
            m = m * float(strength) / float(rescale)
        made.append(base[e] + m)
    return made


def ties(ppm, columns, base, parameters, **_):
    kept = changes(columns, base)
    if parameters["density"] != MILLION:
        k = max(1, parameters["density"] * len(base) // MILLION)
        for column in kept:
            least = sorted((abs(d) for d in column), reverse=True)[k - 1]
            column[:] = [d if abs(d) >= least else 0.0 for d in column]
    return elected(ppm, columns, base, kept, parameters, MILLION)


def draws(seed, party, tensor, count):
    context = "potluck dare_ties/1: which elements an expert keeps of a tensor"
    text = seed.to_bytes(4, "little") + f"{party}/{tensor}".encode()
    state = int.from_bytes(blake3.derive_key(context, text)[:8], "little")
    for e in range(count):
        z = (state + (e + 1) * 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        yield z ^ z >> 31


def is_kept(number, density):
    return number * MILLION < density * 2**64


def dare_ties(ppm, columns, base, parameters, parties, tensor):
    kept, density = changes(columns, base), parameters["density"]
    for party, column in zip(parties, kept):
        numbers = draws(parameters["seed"], party, tensor, len(base))
        column[:] = [d if is_kept(u, density) else 0.0 for d, u in zip(column, numbers)]
    return elected(ppm, columns, base, kept, parameters, density)


def model_stock(ppm, columns, base, **_):
    deltas, n = changes(columns, base), len(columns)
    norms = [math.sqrt(dot(d, d)) for d in deltas]
    total, pairs = 0.0, 0
    for i in range(n):
        for j in range(i + 1, n):
            c = quotient(dot(deltas[i], deltas[j]), norms[i] * norms[j])
            total = total + (0.0 if math.isnan(c) else min(max(c, -1.0), 1.0))
            pairs += 1
    c = max(total / pairs, 0.0)
    t = n * c / (1.0 + (n - 1) * c)
    return weighted([t / n] * n + [1.0 - t], columns + [base])


def fits(pattern, name):
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL)


def layerwise(ppm, columns, base, parameters, parties, tensor):
    shares = dict(zip(parties, ppm))
    for group in parameters["groups"]:
        if fits(group["tensors"], tensor):
            shares = group["ppm"]
            break
    active = [(shares[p], c) for p, c in zip(parties, columns) if shares.get(p, 0)]
    return linear([p for p, _ in active], [c for _, c in active])


METHODS = {
    "task_arithmetic/1": task_arithmetic,
    "slerp/1": slerp,
    "ties/1": ties,
    "dare_ties/1": dare_ties,
    "model_stock/1": model_stock,
    "layerwise/1": layerwise,
}


def values(tensor):
    dtype, _, data = tensor
    return [widen(dtype, w) for w in words(dtype, data)]


def soup(formula, digest, inputs, base):
    parties = [e["party"] for e in formula["experts"]]
    ppm = [e["ppm"] for e in formula["experts"]]
    order = sorted(base.items(), key=lambda t: (-size(t[1][0]), t[0].encode()))
    mixed = []
    for name, (dtype, shape, content) in order:
        if dtype not in CONSTANTS:
            columns = [values(inputs[party][name]) for party in parties]
            made = METHODS[formula["arithmetic"]](
                ppm,
                columns,
                values(base[name]),
                parameters=formula.get("parameters"),
                parties=parties,
                tensor=name,
            )
            content = b"".join(pack(dtype, narrow(dtype, x)) for x in made)
        mixed.append((name, (dtype, shape, content)))
    return write(mixed, {"format": "pt", "recipe": digest})


def made_of(text):
    formula = json.loads(text)
    inputs = {e["party"]: read(HERE / "inputs" / (e["party"] + ".safetensors")) for e in formula["experts"]}
    base = read(HERE / "inputs" / "base.safetensors")
    return soup(formula, blake3.hash(text).hex(), inputs, base)


def expected(text):
    made = made_of(text)
    return {
        "formula": blake3.hash(text).hex(),
        "size": len(made),
        "blake3": blake3.hash(made).hex(),
        "sha256": hashlib.sha256(made).hexdigest(),
    }


def check(case):
    good = expected((case / "formula.json").read_bytes()) == json.loads((case / "expected.json").read_bytes())
    print(("ok     " if good else "WRONG  ") + case.name)
    return good


# Making the cases.

SHAPES = {
    "layers.0.w": ("F32", [12, 11]),
    "layers.1.w": ("BF16", [9, 13]),
    "layers.1.bias": ("F64", [37]),
    "head": ("F16", [67]),
    "still": ("F32", [5]),
    "steps": ("I64", [2]),
}


def make_inputs():
    """A base, three experts with a common change and one of their own; small changes in `head`, none in `still`."""
    # A seed with which no two changes are as large at the densities below: there mergekit keeps any of them.
    rng = random.Random(66)
    tensors = {who: [] for who in ("base", "a", "b", "c")}
    for name, (dtype, shape) in SHAPES.items():
        count = math.prod(shape)
        if dtype in CONSTANTS:
            drawn = {who: range(count) for who in tensors}
        else:
            start = [rng.gauss(0, 1) for _ in range(count)]
            common = [rng.gauss(0, 0.3) for _ in range(count)]
            scale = {"head": 0.01, "still": 0.0}.get(name, 1.0)
            own = lambda: [s + scale * (c + rng.gauss(0, 0.5)) for s, c in zip(start, common)]
            drawn = {who: start if who == "base" else own() for who in tensors}
            if name == "still":
                drawn = {who: [0.0, -0.0, 1.0, -2.5, 0.1] for who in tensors}
            drawn = {who: [narrow(dtype, x) for x in xs] for who, xs in drawn.items()}
        for who in tensors:
            tensors[who].append((name, (dtype, shape, b"".join(pack(dtype, w) for w in drawn[who]))))
    (HERE / "inputs").mkdir(exist_ok=True)
    for who, content in tensors.items():
        (HERE / "inputs" / (who + ".safetensors")).write_bytes(write(content, None))


def manifest(who):
    content = (HERE / "inputs" / (who + ".safetensors")).read_bytes()
    entry = {
        "path": "model.safetensors",
        "size": len(content),
        "blake3": blake3.hash(content).hex(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return blake3.hash(json.dumps([entry], separators=(",", ":")).encode()).hex()


def make(name, method, ppm, parameters=None):
    experts = [{"party": p, "manifest": manifest(p), "ppm": share} for p, share in ppm.items()]
    formula = {"arithmetic": method, "base": manifest("base"), "experts": experts}
    if parameters:
        formula["parameters"] = parameters
    text = json.dumps(formula, separators=(",", ":")).encode()
    (HERE / name).mkdir(exist_ok=True)
    (HERE / name / "formula.json").write_bytes(text)
    (HERE / name / "expected.json").write_text(json.dumps(expected(text), indent=1) + "\n")


def make_all():
    make_inputs()
    make("task-arithmetic", "task_arithmetic/1", {"a": 700000, "b": -250000, "c": 1300000})
    make("slerp", "slerp/1", {"a": 300000, "b": 700000})
    three = {"a": 500000, "b": 300000, "c": 900000}
    make("ties", "ties/1", three, {"consensus": "mean", "density": 250000, "strength": 800000})
    make("ties-whole", "ties/1", three, {"consensus": "mean", "density": MILLION, "strength": MILLION})
    make("ties-sum", "ties/1", three, {"consensus": "sum", "density": 600000, "strength": MILLION})
    dare = {"consensus": "mean", "density": 400000, "seed": 7, "strength": MILLION}
    make("dare-ties", "dare_ties/1", three, dare)
    dare = {"consensus": "sum", "density": 900000, "seed": 4294967295, "strength": 900000}
    make("dare-ties-sum", "dare_ties/1", three, dare)
    make("model-stock", "model_stock/1", {"a": MILLION, "b": MILLION, "c": MILLION})
    groups = [
        {"ppm": {"a": 250000, "b": 750000}, "tensors": "layers.0.*"},
        {"ppm": {"b": MILLION}, "tensors": "*.bias"},
    ]
    make("layerwise", "layerwise/1", {"a": 200000, "b": 0, "c": 800000}, {"groups": groups})


if __name__ == "__main__":
    if sys.argv[1:] == ["make"]:
        make_all()
    cases = sorted(path.parent for path in HERE.glob("*/formula.json"))
    sys.exit(0 if cases and all([check(case) for case in cases]) else 1)
