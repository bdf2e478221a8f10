"""Two checkpoints of BF16, bit by bit.

usage: soup_compare.py FILE FILE; the last line says how many elements there are and how many differ.
"""

import json
import sys

import torch
from safetensors import safe_open


def main(first, second):
    first, second = (safe_open(path, framework="pt") for path in (first, second))
    if sorted(first.keys()) != sorted(second.keys()):
        sys.exit("the files hold different tensors")
    elements = differing = 0
    for name in first.keys():
        one, other = (file.get_tensor(name).view(torch.int16) for file in (first, second))
        elements += one.numel()
        differing += torch.count_nonzero(one != other).item()
    print(json.dumps({"elements": elements, "differing": differing}))


if __name__ == "__main__":
    main(*sys.argv[1:])
