#!/usr/bin/env python3
"""Makes the adapters of this folder with PEFT, and what PEFT says that each of them changes.

    pip install torch==2.15.0 transformers==5.24.0 peft==0.21.2
    python make.py

Writes `base/`, and for each case its adapters (as `save_pretrained` writes them) and `expected.safetensors`: for each
weight of the base, by its name there, the sum of lambda times PEFT's `get_delta_weight`, computed in float64; for a
module that was retrained whole, the sum of lambda times its tensors.
"""

import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

HERE = Path(__file__).parent


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(7, 5, bias=False)
        self.v_proj = nn.Linear(7, 3, bias=False)
        self.c_attn = Conv1D(6, 4)  # its weight is (4, 6): (in, out)
        self.conv = nn.Conv2d(3, 4, 3)


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(11, 3)
        self.layers = nn.ModuleList([Block(), Block()])
        self.score = nn.Linear(3, 2, bias=False)


def base():
    torch.manual_seed(1)
    return Tiny()


CASES = {
    "ranks": {
        "a": (600_000, dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])),
        "b": (400_000, dict(r=3, lora_alpha=5, use_rslora=True, target_modules=["q_proj", "v_proj"])),
    },
    "patterns": {
        "a": (300_000, dict(r=4, lora_alpha=8, target_modules=["q_proj"],
                            rank_pattern={"layers.0.q_proj": 2}, alpha_pattern={r".*1\.q_proj": 3})),
        "b": (450_000, dict(r=2, lora_alpha=7, target_modules=r".*\.(q|v)_proj",
                            rank_pattern={"v_proj": 1}, alpha_pattern={"^layers.0.v_proj": 11})),
        "c": (250_000, dict(r=1, lora_alpha=1, target_modules=["v_proj"], layers_to_transform=[1],
                            layers_pattern="layers")),
    },
    "kinds": {
        "a": (500_000, dict(r=2, lora_alpha=4, target_modules=["embed_tokens", "conv", "q_proj"],
                            modules_to_save=["score"])),
        "b": (500_000, dict(r=3, lora_alpha=4, target_modules=["embed_tokens", "conv"], modules_to_save=["score"])),
    },
    "transposed": {
        "a": (900_000, dict(r=2, lora_alpha=4, target_modules=["c_attn"], fan_in_fan_out=True)),
        "b": (100_000, dict(r=3, lora_alpha=9, target_modules=["c_attn"], fan_in_fan_out=True)),
    },
}


def adapter(seed, settings):
    model = get_peft_model(base(), LoraConfig(init_lora_weights=False, **settings))
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_" in name or "modules_to_save" in name:
            parameter.data.normal_(0, 0.5)
    return model


def changes(model):
    """What PEFT adds to each weight of the base, and what replaces one."""
    model = model.double()
    for name, module in model.base_model.model.named_modules():
        if hasattr(module, "get_delta_weight") and hasattr(module, "base_layer"):
            yield f"{name}.weight", module.get_delta_weight("default")
        elif hasattr(module, "modules_to_save") and name:
            yield f"{name}.weight", module.modules_to_save["default"].weight


def main():
    for old in ["base", *CASES]:
        shutil.rmtree(HERE / old, ignore_errors=True)
    (HERE / "base").mkdir()
    save_file(dict(base().state_dict()), HERE / "base/model.safetensors", metadata={"format": "pt"})
    (HERE / "base/config.json").write_text(json.dumps({"tie_word_embeddings": False}) + "\n")
    for seed, (case, parties) in enumerate(CASES.items()):
        expected, weights = {}, {}
        for number, (party, (ppm, settings)) in enumerate(parties.items()):
            model = adapter(10 * seed + number, settings)
            model.save_pretrained(HERE / case / party)
            (HERE / case / party / "README.md").unlink(missing_ok=True)
            weights[party] = ppm
            for name, change in changes(model):
                share = change.detach() * ppm / 1_000_000
                expected[name] = expected[name] + share if name in expected else share
        save_file({name: it.contiguous() for name, it in expected.items()}, HERE / case / "expected.safetensors")
        (HERE / case / "lambda.json").write_text(json.dumps(weights) + "\n")


if __name__ == "__main__":
    main()
