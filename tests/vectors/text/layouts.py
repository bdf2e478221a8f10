"""Makes the folders of vectors/text/layouts: chat templates in all the places where a folder may keep them.

    python3 -m venv venv && venv/bin/pip install transformers==5.24.0 jinja2
    venv/bin/python tests/vectors/text/layouts.py

layouts/rendered.json holds, for each folder, which template `transformers` renders with: by `AutoTokenizer`, and for the
older file of processors by `ProcessorMixin.get_processor_dict`. Run by hand when the vectors shall change.
"""

import json
import pathlib
import shutil

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer
from transformers.processing_utils import ProcessorMixin

HERE = pathlib.Path(__file__).parent / "layouts"
CHAT = [{"role": "user", "content": "x"}]
TOOLS = [{"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}}]
NAMES = [None, "default", "tool_use", "rag"]


def says(word):
    return word + " {{ messages[0].content }}"


LISTED = [{"name": "default", "template": says("listed")}, {"name": "tool_use", "template": says("listed tools")},
          {"name": "rag", "template": says("listed rag")}]
FILES = {"chat_template.jinja": says("file")}
MORE = {"additional_chat_templates/tool_use.jinja": says("more tools"), "additional_chat_templates/rag.jinja": says("more rag")}
LEGACY = {"chat_template.json": json.dumps({"chat_template": says("legacy")})}
LAYOUTS = {
    "none": (None, {}),
    "config": (says("config"), {}),
    "listed": (LISTED, {}),
    "file": (says("config"), FILES),
    "files": (LISTED, {**FILES, **MORE}),
    "additional": (says("config"), MORE),
    "overwritten": (None, {**FILES, "additional_chat_templates/default.jinja": says("more default")}),
    "undecided": ([{"name": "rag", "template": says("listed rag")}], {}),
    "legacy": (None, LEGACY),
    "modern": (says("config"), LEGACY),
}


def make(name, config, files):
    folder = HERE / name
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "x": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    head = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**head, **({"chat_template": config} if config else {})}) + "\n")
    for path, text in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    return folder


def expect(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.chat_template is None and (folder / "chat_template.json").exists():
        tokenizer.chat_template = ProcessorMixin.get_processor_dict(folder)[0]["chat_template"]
    cases = []
    for name in NAMES:
        # Of one template, any other text is taken for a template itself.
        known = tokenizer.chat_template
        known = known if isinstance(known, dict) else {"default": known} if known else {}
        chosen = None if name is None else known.get(name, False)
        for tools in (None, TOOLS):
            text = None
            if chosen is not False:
                try:
                    text = tokenizer.apply_chat_template(CHAT, tools=tools, chat_template=chosen, tokenize=False)
                except ValueError:
                    pass
            cases.append({"name": name, "tools": tools is not None, "text": text})
    return cases


shutil.rmtree(HERE, ignore_errors=True)
expected = {name: expect(make(name, *layout)) for name, layout in LAYOUTS.items()}
(HERE / "rendered.json").write_text(json.dumps(expected, indent=1) + "\n")
