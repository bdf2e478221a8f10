"""Makes the folders beside it: tiny random scorers of every family as `transformers` saves them, each with
a tokenizer and the scores that `transformers` gives some texts and pairs in one padded batch in F32.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.24.0 safetensors
    venv/bin/python tests/vectors/hf-scorers/make.py                 # makes the folders
    venv/bin/python tests/vectors/hf-scorers/make.py --check FOLDER  # opens what the trainer saved in FOLDER

Run by hand when the vectors shall change; the tests only read what it wrote.

`--check` reads FOLDER/NAME, which `POTLUCK_KEEP_HF=FOLDER cargo test -p potluck-train --test scorers` leaves
for every scorer that it saved or trained, and compares `transformers`' scores with those in its scored.json.
"""

import json
import pathlib
import shutil
import sys

import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
LONGEST = 24
CORPUS = ["the summary is short and it is true", "the minister said that the report was late",
          "no one was there when the train came in", "a short text, and another short text!",
          "prices rose by two percent, said the bank", "it rains in the north and in the south"]
TEXTS = [
    ("the summary is short", None),
    ("it is late", "no one was there"),
    ("", "the bank"),
    ("the report", ""),
    ("no", None),
    ("Ünïcode ☃ and 123!", "the minister said: \"no\""),
    (" ".join(CORPUS), None),
    (" ".join(CORPUS[:2]), "a short text"),
    ("a short text", " ".join(CORPUS[2:])),
    (" ".join(CORPUS[3:]), " ".join(CORPUS[:3])),
    ("the train came in </s> </s>", None),
    ("a text <pad> with padding", None),
]


def trained(model, trainer, pre, normalizer=None):
    it = tokenizers.Tokenizer(model)
    it.pre_tokenizer = pre
    if normalizer:
        it.normalizer = normalizer
    it.train_from_iterator(CORPUS, trainer)
    return it


def template(it, single, pair):
    names = {part.split(":")[0] for part in (single + " " + pair).split() if not part.startswith("$")}
    it.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(name, it.token_to_id(name)) for name in sorted(names)])


def llama(single="<s> $A", pair="<s> $A <s>:1 $B:1"):
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    it = trained(models.BPE(unk_token="<unk>"), trainers.BpeTrainer(vocab_size=70, special_tokens=special,
                 show_progress=False), pre_tokenizers.Metaspace())
    it.decoder = decoders.Metaspace()
    template(it, single, pair)
    return it, dict(unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def byte_level():
    it = trained(models.BPE(), trainers.BpeTrainer(vocab_size=70, special_tokens=["<|end|>"], show_progress=False),
                 pre_tokenizers.ByteLevel(add_prefix_space=False))
    it.decoder = decoders.ByteLevel()
    return it, dict(eos_token="<|end|>", pad_token="<|end|>")


def roberta():
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    it = trained(models.BPE(unk_token="<unk>"), trainers.BpeTrainer(vocab_size=70, special_tokens=special,
                 show_progress=False), pre_tokenizers.ByteLevel(add_prefix_space=False))
    it.decoder = decoders.ByteLevel()
    it.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True,
                                                     add_prefix_space=False)
    return it, dict(bos_token="<s>", eos_token="</s>", sep_token="</s>", cls_token="<s>", unk_token="<unk>",
                    pad_token="<pad>", mask_token="<mask>", model_input_names=["input_ids", "attention_mask"])


BERT_TOKENS = dict(unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]", mask_token="[MASK]",
                   model_input_names=["input_ids", "token_type_ids", "attention_mask"])


def bert():
    it = trained(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=70, show_progress=False,
                 special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]), pre_tokenizers.BertPreTokenizer(),
                 normalizers.BertNormalizer(lowercase=True))
    it.decoder = decoders.WordPiece()
    template(it, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")
    return it, BERT_TOKENS


def deberta():
    it = trained(models.Unigram(), trainers.UnigramTrainer(vocab_size=60, unk_token="[UNK]", show_progress=False,
                 special_tokens=["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]), pre_tokenizers.Metaspace(),
                 normalizers.NFKC())
    it.decoder = decoders.Metaspace()
    template(it, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")
    return it, BERT_TOKENS


SIZES = dict(hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
             max_position_embeddings=LONGEST, initializer_range=0.35)
ROTARY = SIZES | dict(num_key_value_heads=2, bos_token_id=1, eos_token_id=2, pad_token_id=3)
GPT2 = dict(n_embd=16, n_layer=2, n_head=4, n_positions=LONGEST, initializer_range=0.35, eos_token_id=0,
            bos_token_id=0, pad_token_id=0, embd_pdrop=0, resid_pdrop=0, attn_pdrop=0)
DEBERTA = SIZES | dict(relative_attention=True, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True,
                       pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0,
                       max_relative_positions=-1)
BF16, F16 = torch.bfloat16, torch.float16
ONE = dict(num_labels=1)
MOODS = dict(id2label={0: "bad", 1: "so so", 2: "good"}, label2id={"bad": 0, "so so": 1, "good": 2})
ENDED = ("<s> $A </s>", "<s> $A </s> $B:1 </s>:1")

# name: (family, its settings, its tokenizer, how it is kept)
CASES = {
    "llama": ("Llama", ROTARY | ONE, llama(), {}),
    "llama-bf16": ("Llama", ROTARY | ONE | dict(attention_bias=True, tie_word_embeddings=True), llama(), dict(dtype=BF16)),
    # The token of the end is that of padding: the score is read before it.
    "llama-ended": ("Llama", ROTARY | ONE | dict(pad_token_id=2), llama(*ENDED), dict(tokens=dict(pad_token="</s>"))),
    "mistral": ("Mistral", ROTARY | ONE | dict(sliding_window=3), llama(), {}),
    "qwen2": ("Qwen2", ROTARY | MOODS, llama(), {}),
    "qwen3": ("Qwen3", ROTARY | ONE | dict(head_dim=8), llama(), dict(tokens=dict(truncation_side="left"))),
    "gemma2": ("Gemma2", ROTARY | ONE | dict(head_dim=8, sliding_window=3, attn_logit_softcapping=2.0,
               query_pre_attn_scalar=5, final_logit_softcapping=0.5), llama(), {}),
    "gpt2": ("GPT2", GPT2 | ONE, byte_level(), {}),
    "gpt-neox": ("GPTNeoX", SIZES | dict(pad_token_id=0, eos_token_id=0, bos_token_id=0, rope_parameters=dict(
                 rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5)), byte_level(), {}),
    "bert": ("Bert", SIZES | ONE, bert(), {}),
    "bert-odd": ("Bert", SIZES | MOODS | dict(hidden_act="gelu_new", type_vocab_size=3, layer_norm_eps=1e-3), bert(),
                 dict(gamma=True)),
    # Its tokenizer says nothing of segments: then transformers 5 gives none.
    "bert-short": ("Bert", SIZES | ONE | dict(hidden_act="relu"), bert(),
                   dict(tokens=dict(model_max_length=15), silent=True, dtype=F16)),
    "roberta": ("Roberta", SIZES | ONE | dict(max_position_embeddings=LONGEST + 2, type_vocab_size=1, pad_token_id=1),
                roberta(), {}),
    "roberta-odd": ("Roberta", SIZES | dict(max_position_embeddings=LONGEST + 2, hidden_act="silu", pad_token_id=1,
                    layer_norm_eps=1e-5), roberta(), dict(pooler=True)),
    "deberta": ("DebertaV2", DEBERTA | ONE, deberta(), {}),
    "deberta-apart": ("DebertaV2", DEBERTA | MOODS | dict(share_att_key=False, position_buckets=-1, norm_rel_ebd="none",
                      max_relative_positions=6, pooler_hidden_act="tanh", position_biased_input=True,
                      type_vocab_size=2, hidden_act="gelu_new"), deberta(), {}),
    "deberta-c2p": ("DebertaV2", DEBERTA | ONE | dict(pos_att_type="c2p", share_att_key=False, position_buckets=6), deberta(), {}),
    "deberta-p2c": ("DebertaV2", DEBERTA | ONE | dict(pos_att_type=["p2c"], max_relative_positions=40,
                    position_buckets=10), deberta(), {}),
    "deberta-plain": ("DebertaV2", DEBERTA | ONE | dict(relative_attention=False, position_biased_input=True,
                      type_vocab_size=2), deberta(), {}),
}


def rename(folder, keep):
    """As older programs kept it: norms in TensorFlow's words, and tensors that nobody reads."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    if keep.get("gamma"):
        words = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        for old, new in words.items():
            tensors = {name.replace(old, new): it for name, it in tensors.items()}
        tensors["bert.embeddings.position_ids"] = torch.arange(LONGEST).view(1, -1)
    if keep.get("pooler"):
        tensors["roberta.pooler.dense.weight"] = torch.zeros(16, 16)
        tensors["roberta.pooler.dense.bias"] = torch.zeros(16)
    save_file(tensors, path, {"format": "pt"})


def make(name, seed):
    family, settings, (tokenizer, tokens), keep = CASES[name]
    folder = HERE / name
    if (folder / "tokenizer.json").exists():  # Equal counts stand in a random order in what is learned.
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")(vocab_size=tokenizer.get_vocab_size(), **settings)
    model = getattr(transformers, f"{family}ForSequenceClassification")(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:  # Norms and biases begin at 0 and 1, where many a fault does not show.
                weight.add_(0.3 * torch.randn_like(weight))
    model.to(keep.get("dtype", torch.float32)).save_pretrained(folder)
    tokens = dict(model_max_length=LONGEST) | tokens | keep.get("tokens", {})
    if keep.get("silent"):
        del tokens["model_input_names"]
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens)
    fast.save_pretrained(folder)
    rename(folder, keep)
    expected = dict(transformers=transformers.__version__, texts=TEXTS) | run(folder, TEXTS)
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


def encode(tokenizer, first, second):
    """In lists, because a second text that is empty counts as none where it stands alone."""
    batch = tokenizer([first], None if second is None else [second], truncation=True)
    return {name: it[0] for name, it in batch.items()}


def run(folder, texts):
    # AutoTokenizer would put Qwen2's own splitting in the place of what the file says.
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    rows = [encode(tokenizer, first, second) for first, second in texts]
    batch = tokenizer.pad(rows, padding_side="right", return_tensors="pt")
    with torch.no_grad():
        logits = model(**batch).logits
    assert logits.isfinite().all()
    return dict(tokens=[row["input_ids"] for row in rows], scores=logits.tolist())


def buckets():
    """The places that DeBERTa gives distances from 0 on."""
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position as places

    cases = [dict(buckets=b, farthest=f, places=places(torch.arange(f), b, f).long().tolist())
             for b, f in [(256, 512), (8, 24), (10, 40), (6, 100), (32, 256), (2, 9), (3, 50)]]
    (HERE / "buckets.json").write_text(json.dumps(cases) + "\n")


PAIRS = [dict(prompt="the report said: ", chosen="the summary is short and it is true", rejected="no", margin=0.5),
         dict(prompt="the bank", chosen=" said no", rejected=" in the north and in the south"),
         dict(prompt="is it late?", chosen="it is late", rejected="prices rose by two percent, said the bank"),
         dict(chosen="a short text", rejected="another short text! " * 4, margin=-0.25),
         dict(prompt="", chosen="it rains", rejected="the minister said that")]
TRAINED = ["llama", "qwen3", "gemma2", "gpt2", "bert", "roberta", "deberta", "deberta-p2c"]


def train(name):
    """Five steps on all pairs at once, and the scores then."""
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(HERE / name)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        HERE / name, dtype=torch.float32, attn_implementation="eager").eval()  # No dropout.
    is_encoder = CASES[name][0] in ("Bert", "Roberta", "DebertaV2")
    optimiser = torch.optim.AdamW(model.parameters(), lr=1.0, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0)
    margins = torch.tensor([pair.get("margin", 0.0) for pair in PAIRS])
    rows = []
    for side in ("chosen", "rejected"):
        for pair in PAIRS:
            prompt, text = pair.get("prompt"), pair[side]
            both = (text, None) if prompt is None else (prompt, text) if is_encoder else (prompt + text, None)
            rows.append(encode(tokenizer, *both))
    batch = tokenizer.pad(rows, padding_side="right", return_tensors="pt")
    losses = []
    for step in range(5):
        chosen, rejected = model(**batch).logits[:, 0].chunk(2)
        loss = -torch.nn.functional.logsigmoid(chosen - rejected - margins).mean()
        loss = loss + 0.02 * ((chosen + rejected) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        # A warm-up of one step, then a line to nothing.
        optimiser.param_groups[0]["lr"] = 2e-3 * (0.5 if step == 0 else 1 - (step - 1) / 4)
        optimiser.step()
    with torch.no_grad():
        return dict(name=name, losses=losses, scores=model(**batch).logits[:, 0].tolist())


def training():
    cases = [train(name) for name in TRAINED]
    (HERE / "trained.json").write_text(json.dumps(dict(pairs=PAIRS, cases=cases)) + "\n")


def check(saved):
    for folder in sorted(path.parent for path in saved.glob("*/scored.json")):
        scored = json.loads((folder / "scored.json").read_text())
        found = torch.tensor(run(folder, scored["texts"])["scores"])
        difference = (found - torch.tensor(scored["scores"])).abs().max().item()
        assert difference <= 1e-5, (folder.name, difference)
        print(f"{folder.name}: opens in transformers {transformers.__version__}, scores differ by {difference:.1e} at most")


if __name__ == "__main__":
    torch.use_deterministic_algorithms(True)
    if sys.argv[1:2] == ["--check"]:
        check(pathlib.Path(sys.argv[2]))
    else:
        buckets()
        for seed, name in enumerate(CASES):
            make(name, 300 + seed)
        training()
