"""Makes the folders of vectors/text: tokenizers with templates, and what `transformers` makes of texts with them.

    python3 -m venv venv && venv/bin/pip install transformers==5.24.0 jinja2
    venv/bin/python tests/vectors/text/make.py

Each folder is laid out as the releases of one family lay theirs out. `transformers` opens it with
`AutoTokenizer`, and expected.json holds its tokens, texts and masks. Run by hand when the vectors shall
change; the tests only read what it wrote. Templates stand in templates/, conversations in conversations.json.
"""

import datetime
import json
import pathlib
import shutil

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent
TODAY = datetime.datetime(2026, 11, 29)
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CORPUS = [
    "What is the answer? It is four, said the assistant to the user, and the user said so too.",
    "The system and the tools: you are brief, you help, the weather in Lima is grey today, why?",
    "Answer with the name of a function and its parameters; the date is the first of January.",
    "\n\nWell, because they met in Lima on May 12, and I'm sure we've seen it.\n\n\n    indented",
] * 4
TEXTS = [
    "", " ", "Hello, world", "  two  spaces  ", "it's we've I'M", "a\n\nb\r\n\tc", "Žižek 漢字 🦀 e\u0301",
    "1234567 times", "<|im_start|>user\nHi<|im_end|>", "<s>no</s> [INST]x[/INST]", "x<|turn|> y <end_of_turn>z", "\u00a0\u2003thin", "don 't stop . now ?",
]


def byte_level(specials, digits="{1,3}"):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT.replace("{1,3}", digits)), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=340, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in specials])
    return tokenizer


def sentence_piece(specials):
    """BPE over letters with a fallback to bytes, spaces as U+2581: Llama 2, Mistral, Gemma."""
    trained = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=460, special_tokens=specials + fallback, show_progress=False)
    trained.train_from_iterator(CORPUS, trainer)
    state = json.loads(trained.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in specials]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    return tokenizer


def around(tokenizer, bos):
    return processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, tokenizer.token_to_id(bos))])


def save(name, tokenizer, tokenizer_config, config, **files):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = {**config, "vocab_size": max(tokenizer.get_vocab(True).values()) + 1}
    for file, content in {"tokenizer_config": tokenizer_config, "config": config, **files}.items():
        if file == "chat_template":
            (folder / "chat_template.jinja").write_text(content)
        else:
            (folder / f"{file}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def template(name):
    return (HERE / "templates" / f"{name}.jinja").read_text()


def make():
    headers = byte_level(["<|begin|>", "<|end|>", "<|start|>", "<|header|>", "<|turn|>", "<|pad|>"])
    headers.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), around(headers, "<|begin|>")])
    save("headers", headers, {
        "bos_token": "<|begin|>", "eos_token": "<|turn|>", "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": True, "model_max_length": 131072, "chat_template": template("headers"),
    }, {"model_type": "llama", "eos_token_id": headers.token_to_id("<|end|>")}, generation_config={
        "bos_token_id": headers.token_to_id("<|begin|>"),
        "eos_token_id": [headers.token_to_id("<|end|>"), headers.token_to_id("<|turn|>")],
    }, special_tokens_map={"bos_token": {"content": "<|begin|>"}, "eos_token": {"content": "<|turn|>"}})

    chat = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    for name in ("calls", "thoughts"):
        # `Qwen2Tokenizer` of transformers 5 splits by a pattern of its own, one digit at a time, whatever
        # tokenizer.json says; in the releases the two agree.
        calls = byte_level(chat, digits="")
        calls.normalizer = normalizers.NFC()
        calls.post_processor = processors.ByteLevel(trim_offsets=False)
        listed = {str(calls.token_to_id(text)): {"content": text, "lstrip": False, "normalized": False, "rstrip": False,
                                                 "single_word": False, "special": True} for text in chat}
        save(name, calls, {
            "add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": listed,
            "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "bos_token": None, "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>", "unk_token": None, "tokenizer_class": "Qwen2Tokenizer",
            "chat_template": template(name),
        }, {"model_type": "qwen2" if name == "calls" else "qwen3", "eos_token_id": calls.token_to_id("<|endoftext|>")})

    marked = byte_level(chat)
    marked.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    save("marked", marked, {"eos_token": "<|im_end|>", "bos_token": "<|im_start|>", "tokenizer_class": "PreTrainedTokenizerFast"},
         {"model_type": "llama", "eos_token_id": marked.token_to_id("<|im_end|>"), "pad_token_id": marked.token_to_id("<|endoftext|>")},
         chat_template=template("marked"),
         special_tokens_map={"unk_token": "<|endoftext|>"})

    brackets = sentence_piece(["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"])
    brackets.pre_tokenizer = None
    brackets.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    brackets.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    brackets.post_processor = around(brackets, "<s>")
    save("brackets", brackets, {
        "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": None,
        "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
        "chat_template": [{"name": "tool_use", "template": "unused"}, {"name": "default", "template": template("brackets")}],
    }, {"model_type": "mistral", "eos_token_id": 2})

    turns = sentence_piece(["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"])
    turns.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    turns.normalizer = normalizers.Replace(" ", "▁")
    turns.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    turns.post_processor = around(turns, "<bos>")
    save("turns", turns, {
        "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>",
        "add_bos_token": True, "add_eos_token": True,
        "additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"], "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": template("turns"),
    }, {"model_type": "gemma2", "eos_token_id": [1, 5], "pad_token_id": 0})


def rendered(tokenizer, chat, opening):
    tools = chat.get("tools")
    if tools and isinstance(tokenizer.chat_template, dict):
        tools = None
    ask = dict(tools=tools, add_generation_prompt=opening)
    try:
        text = tokenizer.apply_chat_template(chat["messages"], tokenize=False, **ask)
    except Exception as error:
        return {"error": str(error)}
    tokens = tokenizer.apply_chat_template(chat["messages"], tokenize=True, return_dict=True, **ask)["input_ids"]
    answer = {"text": text, "tokens": tokens}
    if "generation %}" in str(tokenizer.chat_template) and not opening:
        whole = tokenizer.apply_chat_template(
            chat["messages"], tokenize=True, return_dict=True, return_assistant_tokens_mask=True, **ask)
        answer["mask"] = whole["assistant_masks"]
    return answer


def expect(folder, chats):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = []
    for text in TEXTS:
        entry = {"text": text, "with": tokenizer(text)["input_ids"], "without": tokenizer(text, add_special_tokens=False)["input_ids"]}
        entry["kept"] = tokenizer.decode(entry["with"])
        entry["skipped"] = tokenizer.decode(entry["with"], skip_special_tokens=True)
        texts.append(entry)
    every = list(range(len(tokenizer)))
    whole = {
        "class": type(tokenizer).__name__, "vocabulary": len(tokenizer),
        "pad": tokenizer.pad_token_id, "bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id,
        "texts": texts,
        "each": [tokenizer.decode([token]) for token in every],
        "chats": {name: {"open": rendered(tokenizer, chat, True), "whole": rendered(tokenizer, chat, False)} for name, chat in chats.items()},
    }
    (folder / "expected.json").write_text(json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(folder.name, whole["class"], whole["vocabulary"])


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return TODAY


chat_template_utils.datetime = Clock
make()
chats = json.loads((HERE / "conversations.json").read_text())
for folder in sorted(path for path in HERE.iterdir() if (path / "tokenizer.json").exists()):
    expect(folder, chats)
