"""Makes the models of `cargo xtask bench train`: random weights, a tokenizer whose tokens are words.

    python make.py FOLDER [tiny] [small] [med] [smol]
"""

import pathlib
import sys

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

# width, layers, heads, heads of keys, feed-forward, vocabulary
SHAPES = {
    "tiny": (128, 4, 4, 2, 352, 1024),
    "small": (256, 4, 4, 2, 688, 2048),
    "med": (512, 8, 8, 4, 1376, 4096),
    "smol": (576, 30, 9, 3, 1536, 49152),
}


def make(folder, name):
    hidden, layers, heads, kv_heads, wide, vocabulary = SHAPES[name]
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, intermediate_size=wide, max_position_embeddings=512,
        tie_word_embeddings=True, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder / name)
    words = {"<pad>": 0, "<bos>": 1, "<eos>": 2, "<unk>": 3} | {f"w{i}": i for i in range(4, vocabulary)}
    bare = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>",
        padding_side="left")
    tokenizer.save_pretrained(folder / name)


if __name__ == "__main__":
    place = pathlib.Path(sys.argv[1])
    for shape in sys.argv[2:] or SHAPES:
        if not (place / shape / "model.safetensors").exists():
            make(place, shape)
