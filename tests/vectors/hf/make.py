"""Makes the folders beside it: tiny random models of every family as `transformers` saves them, each with
the logits and greedy continuations that `transformers` computes from the folder in F32.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.24.0 safetensors
    venv/bin/python tests/vectors/hf/make.py                 # makes the folders and sampling.json
    venv/bin/python tests/vectors/hf/make.py --sampling      # makes sampling.json alone
    venv/bin/python tests/vectors/hf/make.py --check FOLDER  # opens what the trainer saved in FOLDER

Run by hand when the vectors shall change; the tests only read what it wrote. A case with `old` has its
config.json in the dialect of transformers 4 (`rope_theta`, `rope_scaling`, `torch_dtype`).

`--check` reads FOLDER/NAME, which `POTLUCK_KEEP_HF=FOLDER cargo test -p potluck-train --test hf` leaves
for each case, and compares the logits, names and types with those of the case.
"""

import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
VOCABULARY, NEW_TOKENS = 40, 8
SIZES = dict(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=20, num_hidden_layers=2,
             num_attention_heads=4, max_position_embeddings=64, initializer_range=0.35,
             bos_token_id=1, eos_token_id=2, pad_token_id=0)
GPT2 = dict(vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=4, n_positions=32, initializer_range=0.35,
            bos_token_id=1, eos_token_id=2, pad_token_id=0, embd_pdrop=0, resid_pdrop=0, attn_pdrop=0)
LLAMA3 = dict(rope_type="llama3", rope_theta=100.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
F32, BF16, F16 = torch.float32, torch.bfloat16, torch.float16

# name: (configuration class, its settings, how it is kept)
CASES = {
    "llama2": ("Llama", SIZES | dict(num_key_value_heads=4), {}),
    "llama2-old-odd": ("Llama", SIZES | dict(num_key_value_heads=1, head_dim=6, attention_bias=True, mlp_bias=True,
                       rope_parameters=dict(rope_type="linear", factor=2.5, rope_theta=500.0)), dict(old=True)),
    "llama3": ("Llama", SIZES | dict(num_key_value_heads=2, tie_word_embeddings=True, rope_parameters=LLAMA3), {}),
    "llama3-old-bf16": ("Llama", SIZES | dict(num_key_value_heads=2, head_dim=8, rope_parameters=LLAMA3),
                        dict(old=True, dtype=BF16)),
    "smollm-sharded": ("Llama", SIZES | dict(num_key_value_heads=2, tie_word_embeddings=True, num_hidden_layers=3,
                       num_attention_heads=3 + 1), dict(shards="6KB")),
    "mistral": ("Mistral", SIZES | dict(num_key_value_heads=2, sliding_window=3), {}),
    "mistral-old-f16": ("Mistral", SIZES | dict(num_key_value_heads=2, sliding_window=None, head_dim=6),
                        dict(old=True, dtype=F16)),
    "qwen2": ("Qwen2", SIZES | dict(num_key_value_heads=2, tie_word_embeddings=True), {}),
    "qwen2-old-window": ("Qwen2", SIZES | dict(num_key_value_heads=1, use_sliding_window=True, sliding_window=4,
                         max_window_layers=1), dict(old=True, drop=["layer_types"])),
    "qwen3": ("Qwen3", SIZES | dict(num_key_value_heads=2, head_dim=8), {}),
    "qwen3-old-bias": ("Qwen3", SIZES | dict(num_key_value_heads=4, head_dim=2, attention_bias=True,
                       tie_word_embeddings=True), dict(old=True, dtype=BF16)),
    "gemma2": ("Gemma2", SIZES | dict(num_key_value_heads=2, head_dim=8, sliding_window=3, query_pre_attn_scalar=5,
               attn_logit_softcapping=2.0, final_logit_softcapping=3.0), {}),
    "gemma2-old-uncapped": ("Gemma2", SIZES | dict(num_key_value_heads=1, head_dim=4, sliding_window=2,
                            query_pre_attn_scalar=16, attn_logit_softcapping=None, final_logit_softcapping=None,
                            num_hidden_layers=3, tie_word_embeddings=False),
                            dict(old=True, drop=["layer_types"])),
    "gpt2": ("GPT2", GPT2, {}),
    "gpt2-odd": ("GPT2", GPT2 | dict(n_inner=20, activation_function="relu", scale_attn_by_inverse_layer_idx=True,
                 tie_word_embeddings=False), {}),
    "gpt2-old-bare": ("GPT2", GPT2 | dict(scale_attn_weights=False), dict(old=True, bare=True)),
    "gpt-neox": ("GPTNeoX", SIZES | dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0,
                 partial_rotary_factor=0.5)), {}),
    "gpt-neox-old-serial": ("GPTNeoX", SIZES | dict(use_parallel_residual=False, attention_bias=False,
                            hidden_act="gelu_new", hidden_size=24, rope_parameters=dict(rope_type="default",
                            rope_theta=77.0, partial_rotary_factor=1.0)), dict(old=True)),
}


def older(config, keep):
    """The same configuration in the words of transformers 4."""
    rope = config.pop("rope_parameters", None)
    if rope:
        rope = dict(rope)
        neox = config["model_type"] == "gpt_neox"
        config["rotary_emb_base" if neox else "rope_theta"] = rope.pop("rope_theta")
        part = rope.pop("partial_rotary_factor", None)
        if neox:
            config["rotary_pct"] = part
        config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.44.0"
    for key in keep.get("drop", []):
        config.pop(key, None)
    return config


def bare(folder, layers, positions):
    """As the published GPT-2 is kept: names without a prefix, and the masks among the weights."""
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): it for name, it in load_file(path).items()}
    for layer in range(layers):
        mask = torch.ones(positions, positions, dtype=torch.uint8).tril().view(1, 1, positions, positions)
        tensors[f"h.{layer}.attn.bias"] = mask[..., :4, :4].contiguous()
    save_file(tensors, path, {"format": "pt"})


def make(name, seed):
    family, settings, keep = CASES[name]
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")(**settings)
    model = getattr(transformers, "GPT2LMHeadModel" if family == "GPT2" else f"{family}ForCausalLM")(config).eval()
    with torch.no_grad():
        for weight_name, weight in model.named_parameters():
            if weight.dim() == 1:  # Norms and biases begin at 0 and 1, where many a fault does not show.
                weight.add_(0.3 * torch.randn_like(weight))
    model.to(keep.get("dtype", F32)).save_pretrained(folder, max_shard_size=keep.get("shards", "5GB"))
    (folder / "generation_config.json").unlink(missing_ok=True)
    if keep.get("old"):
        path = folder / "config.json"
        path.write_text(json.dumps(older(json.loads(path.read_text()), keep), indent=2) + "\n")
    if keep.get("bare"):
        bare(folder, settings["n_layer"], settings["n_positions"])
    expected = run(folder, torch.randint(3, VOCABULARY, (3, 9)))
    save_file(expected, folder / "expected.safetensors", {"transformers": transformers.__version__})


def open_folder(folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=F32, attn_implementation="eager")
    model.generation_config = transformers.GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    return model.eval()


def run(folder, tokens):
    """Three rows, two of which are padded on the left."""
    mask = torch.ones_like(tokens)
    mask[1, :3] = 0
    mask[2, :7] = 0
    tokens = tokens * mask
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    model = open_folder(folder)
    with torch.no_grad():
        logits = model(input_ids=tokens, attention_mask=mask, position_ids=positions).logits
        whole = model.generate(tokens, attention_mask=mask, do_sample=False, max_new_tokens=NEW_TOKENS)
    greedy = torch.zeros(tokens.shape[0], NEW_TOKENS, dtype=torch.int64)
    greedy[:, : whole.shape[1] - tokens.shape[1]] = whole[:, tokens.shape[1]:]
    assert logits.isfinite().all()
    return dict(tokens=tokens, mask=mask, logits=logits.contiguous(), greedy=greedy)


def weights(folder):
    tensors = {}
    for path in sorted(folder.glob("model*.safetensors")):
        tensors |= load_file(path)
    return {name: it for name, it in tensors.items() if not name.endswith(".attn.bias")}


# Options of generate() and what the distribution becomes: repetition penalty, temperature, top-k, top-p, min-p.
SAMPLING = [
    dict(temperature=0.7),
    dict(temperature=1.9, top_k=5),
    dict(top_p=0.6),
    dict(top_k=12, top_p=0.9, temperature=0.8),
    dict(min_p=0.2),
    dict(repetition_penalty=1.4),
    dict(repetition_penalty=0.8, temperature=1.2, top_k=20, top_p=0.95, min_p=0.05),
    dict(top_p=0.0001),
]


def sampling():
    """The distributions that transformers' own processors make of random logits."""
    from transformers.generation import logits_process as process

    kinds = [("repetition_penalty", process.RepetitionPenaltyLogitsProcessor),
             ("temperature", process.TemperatureLogitsWarper), ("top_k", process.TopKLogitsWarper),
             ("top_p", process.TopPLogitsWarper), ("min_p", process.MinPLogitsWarper)]
    torch.manual_seed(99)
    seen = torch.randint(0, VOCABULARY, (4, 6))
    logits = 2.5 * torch.randn(4, VOCABULARY)
    cases = []
    for options in SAMPLING:
        scores = logits.clone()
        for name, kind in kinds:
            if name in options:
                scores = kind(options[name])(seen, scores)
        cases.append(dict(options=options, distributions=scores.softmax(-1).tolist()))
    text = dict(transformers=transformers.__version__, seen=seen.tolist(), logits=logits.tolist(), cases=cases)
    (HERE / "sampling.json").write_text(json.dumps(text) + "\n")


def check(saved):
    for name in CASES:
        expected = load_file(HERE / name / "expected.safetensors")
        found = run(saved / name, expected["tokens"])
        before, after = weights(HERE / name), weights(saved / name)
        assert (HERE / name / "config.json").read_bytes() == (saved / name / "config.json").read_bytes(), name
        assert before.keys() == after.keys(), (name, before.keys() ^ after.keys())
        assert all(before[it].dtype == after[it].dtype and before[it].equal(after[it]) for it in before), name
        difference = (found["logits"] - expected["logits"]).abs().max().item()
        assert difference == 0 and found["greedy"].equal(expected["greedy"]), (name, difference)
        print(f"{name}: opens in transformers {transformers.__version__}, logits equal")


if __name__ == "__main__":
    torch.use_deterministic_algorithms(True)
    if sys.argv[1:2] == ["--check"]:
        check(pathlib.Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--sampling"]:
        sampling()
    else:
        sampling()
        for seed, name in enumerate(CASES):
            make(name, 100 + seed)
