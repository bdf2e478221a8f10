"""Makes vectors/llama: a tiny random LlamaForCausalLM as `transformers` saves it, and its logits.

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 transformers safetensors
    venv/bin/python crates/potluck-train/tests/vectors/llama.py

Run by hand when the vector shall change; the test only reads what it wrote.
"""

import json
import pathlib

import torch
import transformers

folder = pathlib.Path(__file__).parent / "llama"
torch.manual_seed(20)
config = transformers.LlamaConfig(
    vocab_size=48, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, head_dim=8, max_position_embeddings=32, rms_norm_eps=1e-5,
    tie_word_embeddings=True, initializer_range=0.3, bos_token_id=1, eos_token_id=2,
)
model = transformers.LlamaForCausalLM(config).eval()
with torch.no_grad():
    for name, weight in model.named_parameters():
        if "norm" in name:
            weight.copy_(1.0 + 0.2 * torch.randn_like(weight))
model.save_pretrained(folder)
(folder / "generation_config.json").unlink(missing_ok=True)
tokens = torch.randint(0, 48, (2, 24))
with torch.no_grad():
    logits = model(tokens).logits
text = {"transformers": transformers.__version__, "tokens": tokens.tolist(), "logits": logits.flatten().tolist()}
(folder / "logits.json").write_text(json.dumps(text))
