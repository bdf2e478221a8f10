"""The script that most people would write: tensor by tensor, summed in binary32, saved at the end.

usage: soup_torch.py OUT WEIGHT=FILE…; the last line says how long it took after the imports.
"""

import json
import sys
import time

import torch
from safetensors import safe_open
from safetensors.torch import save_file


def main(out, terms):
    begin = time.perf_counter()
    terms = [term.split("=", 1) for term in terms]
    weights = [float(weight) for weight, _ in terms]
    files = [safe_open(path, framework="pt") for _, path in terms]
    soup = {}
    for name in files[0].keys():
        total = None
        for weight, file in zip(weights, files):
            tensor = file.get_tensor(name)
            if total is None:
                total = torch.zeros(tensor.shape, dtype=torch.float32)
            total.add_(tensor, alpha=weight)
        soup[name] = total.to(torch.bfloat16)
    save_file(soup, out, metadata={"format": "pt"})
    print(json.dumps({"seconds": time.perf_counter() - begin}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
