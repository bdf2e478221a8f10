#!/usr/bin/env python3
"""A second implementation of `linear/1` as docs/formats.md has it, in exact and slow Python.

    python3 reference.py          recompute every case beside this file and compare (standard library only)
    python3 reference.py make     write the cases anew (needs `pip install blake3`)
"""

import hashlib
import json
import random
import struct
import sys
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).parent
# dtype -> bytes, exponent bits, fraction bits
FORMATS = {
    "F64": (8, 11, 52),
    "F32": (4, 8, 23),
    "BF16": (2, 8, 7),
    "F16": (2, 5, 10),
    "F8_E4M3": (1, 4, 3),
    "F8_E5M2": (1, 5, 2),
}
# dtype -> bytes; these are compared and copied
CONSTANTS = {"I64": 8, "I32": 4, "BOOL": 1}
WORDS = {8: "<Q", 4: "<I", 2: "<H", 1: "<B"}


def size(dtype):
    return CONSTANTS[dtype] if dtype in CONSTANTS else FORMATS[dtype][0]


def first_not_finite(dtype):
    """The least magnitude, as bits, that stands for no finite number."""
    _, e, m = FORMATS[dtype]
    return 2 ** (e + m) - 1 if dtype == "F8_E4M3" else (2**e - 1) * 2**m


def widen(dtype, bits):
    _, e, m = FORMATS[dtype]
    bias = 2 ** (e - 1) - 1
    sign, exponent, fraction = bits >> (e + m), bits >> m & 2**e - 1, bits & 2**m - 1
    assert bits & 2 ** (e + m) - 1 < first_not_finite(dtype), "not finite"
    if exponent == 0:
        magnitude = Fraction(fraction) * Fraction(2) ** (1 - bias - m)
    else:
        magnitude = Fraction(2**m + fraction) * Fraction(2) ** (exponent - bias - m)
    value = float(magnitude)  # exact: Python rounds correctly and nothing needs rounding
    assert Fraction(value) == magnitude
    return -value if sign else value


def narrow(dtype, value):
    _, e, m = FORMATS[dtype]
    bias = 2 ** (e - 1) - 1
    sign = struct.unpack("<Q", struct.pack("<d", value))[0] >> 63
    magnitude = Fraction(abs(value))
    exponent = 1 - bias
    while magnitude >= Fraction(2) ** (exponent + 1):
        exponent += 1
    units = round(magnitude / Fraction(2) ** (exponent - m))  # a Fraction rounds ties to even
    encoded = units + (exponent + bias - 1) * 2**m
    assert encoded < first_not_finite(dtype), "overflow"
    return sign << (e + m) | encoded


def read(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    start = 8 + size
    return {
        name: (t["dtype"], t["shape"], data[start + t["data_offsets"][0] : start + t["data_offsets"][1]])
        for name, t in header.items()
    }


def words(dtype, data):
    return [w for (w,) in struct.iter_unpack(WORDS[size(dtype)], data)]


def pack(dtype, bits):
    return struct.pack(WORDS[size(dtype)], bits)


def write(tensors, metadata):
    header, data = [], b""
    if metadata:
        header.append('"__metadata__":' + json.dumps(metadata, separators=(",", ":")))
    for name, (dtype, shape, content) in tensors:
        entry = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        header.append(json.dumps(name) + ":" + json.dumps(entry, separators=(",", ":")))
        data += content
    text = ("{" + ",".join(header) + "}").encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def soup(recipe, digest, experts):
    order = sorted(
        next(iter(experts.values())).items(), key=lambda t: (-size(t[1][0]), t[0].encode())
    )
    mixed = []
    for name, (dtype, shape, _) in order:
        inputs = [(e["ppm"], experts[e["party"]][name][2]) for e in recipe["experts"]]
        if dtype in CONSTANTS:
            assert all(data == inputs[0][1] for _, data in inputs), "constants differ"
        if len(inputs) == 1 or dtype in CONSTANTS:
            content = inputs[0][1]
        else:
            columns = [(ppm, [widen(dtype, w) for w in words(dtype, data)]) for ppm, data in inputs]
            content = b""
            for i in range(len(columns[0][1])):
                total = 0.0
                for ppm, values in columns:
                    total += float(ppm) * values[i]
                content += pack(dtype, narrow(dtype, total / 1000000.0))
        mixed.append((name, (dtype, shape, content)))
    return write(mixed, {"format": "pt", "recipe": digest})


def check(case):
    recipe = json.loads((case / "recipe.json").read_bytes())
    expected = json.loads((case / "expected.json").read_bytes())
    experts = {e["party"]: read(case / (e["party"] + ".safetensors")) for e in recipe["experts"]}
    made = soup(recipe, expected["recipe"], experts)
    good = len(made) == expected["size"] and hashlib.sha256(made).hexdigest() == expected["sha256"]
    print(("ok     " if good else "WRONG  ") + case.name)
    return good


# Making the cases.


def finite(dtype, rng):
    size, e, m = FORMATS[dtype]
    while True:
        bits = rng.getrandbits(8 * size)
        kind = rng.randrange(6)
        if kind == 0:
            bits &= ~((2**e - 1) << m)  # subnormal
        if dtype == "F64" and bits >> m & 2**e - 1 > 2020:
            continue  # times a million it is no binary64
        if kind == 1 and dtype != "F64":
            bits = bits & ~((2**e - 1) << m) | (2**e - 2) << m  # near the largest
        if kind == 2:
            bits = bits >> (e + m) << (e + m)  # a zero of either sign
        if bits & 2 ** (e + m) - 1 < first_not_finite(dtype):
            return bits


def near(dtype, bits, rng):
    """Within a few units, so that ties and their neighbours are met."""
    _, e, m = FORMATS[dtype]
    moved = bits + rng.randrange(-3, 4)
    good = moved >= 0 and moved >> (e + m) == bits >> (e + m)
    good = good and moved & 2 ** (e + m) - 1 < first_not_finite(dtype)
    return moved if good else bits


def make(name, seed, shapes, ppm):
    import blake3

    rng = random.Random(seed)
    case = HERE / name
    case.mkdir(exist_ok=True)
    first, ingredients = None, []
    for party, share in ppm.items():
        tensors = []
        for tensor, (dtype, shape) in shapes.items():
            count = 1
            for side in shape:
                count *= side
            if dtype in CONSTANTS:
                drawn = [i % 2 for i in range(count)]
            else:
                drawn = [finite(dtype, rng) for _ in range(count)]
            if first is not None and dtype in FORMATS and rng.randrange(2):
                drawn = [near(dtype, w, rng) for w in words(dtype, dict(first)[tensor][2])]
            tensors.append((tensor, (dtype, shape, b"".join(pack(dtype, w) for w in drawn))))
        first = first or tensors
        rng.shuffle(tensors)
        content = write(tensors, None)
        (case / (party + ".safetensors")).write_bytes(content)
        entry = {
            "path": "model.safetensors",
            "size": len(content),
            "blake3": blake3.blake3(content).hexdigest(),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        manifest = blake3.blake3(json.dumps([entry], separators=(",", ":")).encode()).hexdigest()
        ingredients.append({"party": party, "manifest": manifest, "ppm": share})
    # No base takes part in the arithmetic: any digest will do.
    recipe = {"arithmetic": "linear/1", "base": blake3.blake3(b"base").hexdigest(), "experts": ingredients}
    text = json.dumps(recipe, separators=(",", ":")).encode()
    (case / "recipe.json").write_bytes(text)
    digest = blake3.blake3(text).hexdigest()
    experts = {party: read(case / (party + ".safetensors")) for party in ppm}
    made = soup(recipe, digest, experts)
    expected = {
        "recipe": digest,
        "size": len(made),
        "blake3": blake3.blake3(made).hexdigest(),
        "sha256": hashlib.sha256(made).hexdigest(),
    }
    (case / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def make_all():
    f32, bf16, f16 = "F32", "BF16", "F16"
    make("f32", 1, {"w.0": (f32, [7, 9]), "b": (f32, [31])}, {"a": 300000, "b": 700000})
    make("bf16", 2, {"w": (bf16, [16, 16])}, {"a": 333333, "b": 333333, "c": 333334})
    make("f16", 3, {"w": (f16, [3, 5, 17])}, {"agency": 1, "checkers": 499999, "readers": 500000})
    mixed = {"a": (bf16, [3]), "b": (f32, [5]), "B": (f16, []), "a.b": (f32, [0]), "a-b": (f16, [2, 2])}
    make("mixed-dtypes", 4, mixed, {"a": 123456, "b": 876544})
    make("one-expert", 5, {"w": (f32, [40]), "h": (f16, [11])}, {"a": 1000000})
    wide = {"w": ("F64", [6, 11]), "e": ("F8_E4M3", [67]), "f": ("F8_E5M2", [67])}
    make("f64-f8", 7, wide, {"a": 100003, "b": 299999, "c": 599998})
    constants = {"n": ("I64", [3]), "mask": ("BOOL", [5]), "k": ("I32", []), "w": (bf16, [9])}
    make("constants", 8, constants, {"a": 250000, "b": 750000})
    make("ties", 6, {"w": (f32, [60]), "h": (bf16, [60]), "g": (f16, [60])}, {"a": 500000, "b": 500000})


if __name__ == "__main__":
    if sys.argv[1:] == ["make"]:
        make_all()
    cases = sorted(path.parent for path in HERE.glob("*/recipe.json"))
    sys.exit(0 if cases and all([check(case) for case in cases]) else 1)
