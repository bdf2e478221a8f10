#!/usr/bin/env python3
"""The same soups by mergekit 0.1.5, in binary64, as an independent oracle: writes `oracle.safetensors` in each case.

    python3 oracle.py           compare what mergekit makes with what stands there (needs `pip install mergekit==0.1.5`)
    python3 oracle.py make      write it anew

mergekit draws DARE's masks by torch's generator; here it gets those of `dare_ties/1`, and the rescaling by one over
the density. It keeps exactly k elements where equal magnitudes meet, so the script asks that none do.
"""

import json
import math
import struct
import sys
from pathlib import Path

import torch
from mergekit.merge_methods import generalized_task_arithmetic as gta
from mergekit.merge_methods import model_stock, slerp
from mergekit.merge_methods.base import TensorGroup

sys.dont_write_bytecode = True

import methods

HERE = Path(__file__).parent


def tensors(who):
    found = methods.read(HERE / "inputs" / (who + ".safetensors"))
    floats = {name: it for name, it in found.items() if it[0] not in methods.CONSTANTS}
    return {name: torch.tensor(methods.values(it), dtype=torch.float64) for name, it in floats.items()}


def general(formula, name, base, experts, consensus, sparsify=None):
    parameters = formula.get("parameters", {})
    weights = {e["party"]: e["ppm"] / 1e6 for e in formula["experts"]}
    density = parameters.get("density", 10**6) / 1e6
    group = TensorGroup.from_tensors([base] + list(experts.values()), ids=["base", *experts], base_index=0, name=name)
    method = gta.GeneralizedTaskArithmeticMerge(consensus, sparsify, False, False, "oracle", None, None)
    return method.merge_group(
        group,
        weight=weights,
        density={party: density for party in weights},
        normalize=parameters.get("consensus") == "mean",
        rescale=False,
        int8_mask=False,
        **{"lambda": parameters.get("strength", 10**6) / 1e6},
    )


def apart(formula, base, experts):
    """No two magnitudes at the threshold are equal, also as mergekit compares them, in binary32."""
    k = max(1, formula["parameters"]["density"] * len(base) // 10**6)
    for expert in experts.values():
        ordered = torch.sort((expert - base).abs().float(), descending=True).values
        assert k == len(base) or ordered[k - 1] > ordered[k] or ordered[k - 1] == 0, "equal magnitudes"


def ties(formula, name, base, experts):
    apart(formula, base, experts)
    return general(formula, name, base, experts, gta.ConsensusMethod.sum, gta.SparsificationMethod.magnitude)


def dare_ties(formula, name, base, experts):
    parameters, density = formula["parameters"], formula["parameters"]["density"]
    parties = iter(experts)

    def dropped(delta, **_):
        numbers = methods.draws(parameters["seed"], next(parties), name, len(base))
        kept = torch.tensor([float(methods.is_kept(u, density)) for u in numbers], dtype=torch.float64)
        return delta * kept / (density / 1e6)

    gta.sparsify, usual = dropped, gta.sparsify
    try:
        return general(formula, name, base, experts, gta.ConsensusMethod.sum, gta.SparsificationMethod.random)
    finally:
        gta.sparsify = usual


def stock(formula, name, base, experts):
    group = TensorGroup.from_tensors([base] + list(experts.values()), base_index=0)
    (made,) = model_stock.model_stock_merge_method([group])
    return made


def layers(formula, name, base, experts):
    shares = {e["party"]: e["ppm"] for e in formula["experts"]}
    for group in formula["parameters"]["groups"]:
        if methods.fits(group["tensors"], name):
            shares = group["ppm"]
            break
    weights = [{"party": party, "ppm": ppm} for party, ppm in shares.items()]
    taking = {party: experts[party] for party in shares}
    return general({"experts": weights}, name, base, taking, None)


def arc(formula, name, base, experts):
    a, b = experts.values()
    t = torch.tensor([formula["experts"][1]["ppm"] / 1e6], dtype=torch.float64)
    return slerp.slerp(t, a[None], b[None])[0]


METHODS = {
    "task_arithmetic/1": lambda *given: general(*given, None),
    "slerp/1": arc,
    "ties/1": ties,
    "dare_ties/1": dare_ties,
    "model_stock/1": stock,
    "layerwise/1": layers,
}


def oracle(case):
    formula = json.loads((case / "formula.json").read_bytes())
    base = tensors("base")
    experts = {e["party"]: tensors(e["party"]) for e in formula["experts"]}
    made = []
    for name in sorted(base):
        given = {party: it[name] for party, it in experts.items()}
        result = METHODS[formula["arithmetic"]](formula, name, base[name], given).tolist()
        made.append((name, ("F64", [len(result)], struct.pack(f"<{len(result)}d", *result))))
    return made


def close(made, path):
    there = methods.read(path)
    pairs = [(x, y) for name, it in made for x, y in zip(methods.values(it), methods.values(there[name]))]
    return all(math.isclose(x, y, rel_tol=1e-12, abs_tol=1e-14) for x, y in pairs)


if __name__ == "__main__":
    good = True
    for case in sorted(path.parent for path in HERE.glob("*/formula.json")):
        made, path = oracle(case), case / "oracle.safetensors"
        if sys.argv[1:] == ["make"]:
            path.write_bytes(methods.write(made, None))
        is_close = close(made, path)
        print(("ok     " if is_close else "WRONG  ") + case.name)
        good = good and is_close
    sys.exit(0 if good else 1)
