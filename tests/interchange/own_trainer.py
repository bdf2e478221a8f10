"""What somebody does who trains with TRL: a tiny model, a reward of one's own, RLOO with LoRA. `docs/parties.md` walks along it.

    python own_trainer.py base MODEL BASE        MODEL's weights in BF16, with a tokenizer, as a base that is shared
    python own_trainer.py train BASE OUT         two steps of RLOO; OUT is what TRL leaves: an adapter
    python own_trainer.py merge BASE OUT WHOLE   what PEFT makes of the two, in F32 and in shards
    python own_trainer.py vary OUT OTHER         another adapter of the same kind, of another rank scale
    python own_trainer.py compare BASE SOUP ONE OTHER   whether SOUP's change is 0.3 of ONE's and 0.7 of OTHER's
"""

import json
import sys
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from trl import RLOOConfig, RLOOTrainer

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]
WORDS = "the a good bad short long story news reader agency checker writes reads tells of and is was".split()


def base(model: str, out: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    words = SPECIAL + WORDS + [f"word{n}" for n in range(model.config.vocab_size - len(SPECIAL) - len(WORDS))]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = dict(zip(["pad_token", "bos_token", "eos_token", "unk_token"], SPECIAL))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(out)
    model.save_pretrained(out)


def reward(completions: list[str], **_) -> list[float]:
    """How many different words there are."""
    return [float(len(set(completion.split()))) for completion in completions]


def train(base: str, out: str) -> None:
    prompts = Dataset.from_list([{"prompt": " ".join(WORDS[n : n + 3])} for n in range(8)])
    config = RLOOConfig(
        output_dir=out, max_steps=2, per_device_train_batch_size=4, num_generations=2, max_completion_length=6,
        learning_rate=0.05, lr_scheduler_type="constant", bf16=False, use_cpu=True, report_to=[], save_strategy="no",
        logging_strategy="no", disable_tqdm=True, seed=1, model_init_kwargs={"dtype": "float32"},
    )
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    trainer = RLOOTrainer(
        model=base, reward_funcs=reward, args=config, train_dataset=prompts, peft_config=lora,
        processing_class=AutoTokenizer.from_pretrained(base, padding_side="left"),
    )
    trainer.train()
    trainer.save_model()


def merge(base: str, adapter: str, out: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    merged.save_pretrained(out, max_shard_size="8KB")
    assert (Path(out) / "model.safetensors.index.json").exists()


def vary(adapter: str, out: str) -> None:
    """What another party could have trained: the same modules, other factors, rsLoRA with another alpha."""
    torch.manual_seed(2)
    tensors = {
        name: tensor + 0.05 * torch.randn_like(tensor)
        for name, tensor in load_file(Path(adapter) / "adapter_model.safetensors").items()
    }
    Path(out).mkdir()
    save_file(tensors, Path(out) / "adapter_model.safetensors", metadata={"format": "pt"})
    config = json.loads((Path(adapter) / "adapter_config.json").read_text())
    config |= {"use_rslora": True, "lora_alpha": 3}
    (Path(out) / "adapter_config.json").write_text(json.dumps(config))


def compare(base: str, soup: str, one: str, other: str) -> None:
    def weights(adapter: str | None) -> dict[str, torch.Tensor]:
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64)
        if adapter:
            model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
        return model.state_dict()

    plain, mixed, first, second = weights(None), weights(soup), weights(one), weights(other)
    moved = 0.0
    for name, weight in plain.items():
        wanted = 0.3 * (first[name] - weight) + 0.7 * (second[name] - weight)
        found = mixed[name] - weight
        assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-6), (name, (found - wanted).abs().max())
        moved = max(moved, wanted.abs().max().item())
    assert moved > 1e-3, moved


if __name__ == "__main__":
    {"base": base, "train": train, "merge": merge, "vary": vary, "compare": compare}[sys.argv[1]](*sys.argv[2:])
