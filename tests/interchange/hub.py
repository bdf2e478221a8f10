"""The clients of the Hugging Face Hub against a federation that stands in its place. tests/it/hub.rs sets HF_ENDPOINT and HF_HOME.

    python hub.py base BASE                 a Llama of some 30 MB with a tokenizer, as a base that is shared
    python hub.py expert BASE SEED OUT      its weights moved a little, as an expert
    python hub.py loads REVISION LOCAL      transformers loads the revision; its logits are those of the folder LOCAL
    python hub.py snapshot REVISION         snapshot_download; tells the folder and the files with their SHA-256
    python hub.py tool REVISION OUT         the same by the `hf` command
    python hub.py cut REVISION              a download that is cut twice goes on where it was
    python hub.py refused                   what is not there
    python hub.py kept                      what the charter keeps
    python hub.py tokens GOOD SOUPS OLD     whom tokens let in: with the scopes for all, for soups alone, past its time
"""

import hashlib
import http.client
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

REPOSITORY = "news/model"
WEIGHTS = "model.safetensors"


def base(out: str) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=12_000, hidden_size=256, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(out)
    words = ["<pad>", "<s>", "</s>", "<unk>"] + [f"word{n}" for n in range(config.vocab_size - 4)]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
                            unk_token="<unk>").save_pretrained(out)


def expert(base: str, seed: str, out: str) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    torch.manual_seed(int(seed))
    tensors = load_file(Path(base) / WEIGHTS)
    moved = {name: it + 0.05 * it.std() * torch.randn_like(it) for name, it in tensors.items()}
    Path(out).mkdir()
    save_file(moved, Path(out) / WEIGHTS, metadata={"format": "pt"})


def logits(name: str, **more: str):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(name, **more)("word1 word7 word11999", return_tensors="pt").input_ids
    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(name, **more)(tokens).logits


def loads(revision: str, local: str) -> None:
    import torch

    served, mixed = logits(REPOSITORY, revision=revision), logits(local)
    assert served.shape == (1, 3, 12_000) and torch.equal(served, mixed)


def told(folder: str) -> None:
    files = (path for path in Path(folder).rglob("*") if path.is_file() and ".cache" not in path.parts)
    digests = {str(it.relative_to(folder)): hashlib.sha256(it.read_bytes()).hexdigest() for it in files}
    print(json.dumps({"folder": folder, "files": digests}))


def snapshot(revision: str) -> None:
    from huggingface_hub import HfApi, snapshot_download

    folder = snapshot_download(REPOSITORY, revision=revision)
    info = HfApi().model_info(REPOSITORY, revision=revision, files_metadata=True)
    assert info.sha == Path(folder).name, (info.sha, folder)
    assert {it.rfilename: it.size for it in info.siblings} == {
        str(it.relative_to(folder)): it.stat().st_size for it in Path(folder).rglob("*") if it.is_file()
    }
    wanted = HfApi().get_paths_info(REPOSITORY, ["config.json", WEIGHTS, "none"], revision=info.sha)
    assert [it.path for it in wanted] == ["config.json", WEIGHTS], wanted
    assert "main" in [it.name for it in HfApi().list_repo_refs(REPOSITORY).branches]
    told(folder)


def tool(revision: str, out: str) -> None:
    hf = Path(sys.executable).parent / "hf"
    subprocess.run([hf, "download", REPOSITORY, "--revision", revision, "--local-dir", out], check=True,
                   stdout=sys.stderr)
    told(out)


class Line(BaseHTTPRequestHandler):
    """A line to the server that breaks: the first two answers with weights end in their middle."""

    protocol_version = "HTTP/1.1"
    ranges: list[str | None] = []
    to = ""

    def answer(self) -> None:
        server = http.client.HTTPConnection(urlsplit(self.to).netloc)
        server.request(self.command, self.path, headers=dict(self.headers))
        answer = server.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        left = None
        if self.path.endswith(WEIGHTS):
            self.ranges.append(self.headers.get("Range"))
            left = {1: 15 << 20, 2: 12 << 20}.get(len(self.ranges))
        while piece := answer.read(1 << 16):
            if left is not None and (left := left - len(piece)) <= 0:
                self.close_connection = True
                return
            self.wfile.write(piece)

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *_) -> None:
        pass


def cut(revision: str) -> None:
    # Before the client is loaded, which reads the variable once.
    Line.to = os.environ["HF_ENDPOINT"]
    line = ThreadingHTTPServer(("127.0.0.1", 0), Line)
    threading.Thread(target=line.serve_forever, daemon=True).start()
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{line.server_port}"
    from huggingface_hub import snapshot_download

    folder = snapshot_download(REPOSITORY, revision=revision)
    assert Line.ranges[0] is None and all(Line.ranges[1:]) and len(Line.ranges) == 3, Line.ranges
    begins = [int(it.removeprefix("bytes=").split("-")[0]) for it in Line.ranges[1:]]
    assert 0 < begins[0] < begins[1], begins
    told(folder)


def error(of: type[Exception], words: str, call, *args, **more) -> None:
    try:
        call(*args, **more)
    except of as raised:
        assert words in str(raised), raised
    else:
        raise AssertionError(f"{of} was not raised")


def refused() -> None:
    from huggingface_hub import hf_hub_download, snapshot_download, whoami
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
    from transformers import AutoModelForCausalLM

    wrong = "agency=0.3,readers=0.6"
    error(RevisionNotFoundError, "lambda sums to 900000 parts per million", snapshot_download, REPOSITORY, revision=wrong)
    error(RevisionNotFoundError, "no expert of it is known", snapshot_download, REPOSITORY, revision="nobody=1")
    error(RevisionNotFoundError, "experts are of agency, readers", hf_hub_download, REPOSITORY, WEIGHTS, revision="nobody")
    error(EntryNotFoundError, "this revision has no missing.json", hf_hub_download, REPOSITORY, "missing.json", revision="base")
    error(RepositoryNotFoundError, "its name is news/model", snapshot_download, "news/other")
    error(OSError, wrong, AutoModelForCausalLM.from_pretrained, REPOSITORY, revision=wrong)
    error(HfHubHTTPError, "Invalid user token", whoami, token="hf_none")


def kept() -> None:
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import GatedRepoError
    from transformers import AutoConfig

    for revision in ["main", "base"]:
        error(GatedRepoError, "this needs a token", snapshot_download, REPOSITORY, revision=revision)
    error(GatedRepoError, "this needs a token", hf_hub_download, REPOSITORY, WEIGHTS)
    error(OSError, "gated repo", AutoConfig.from_pretrained, REPOSITORY)


def tokens(good: str, soups: str, old: str) -> None:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError

    folder = snapshot_download(REPOSITORY, revision="base", token=good)
    assert (Path(folder) / WEIGHTS).stat().st_size > 0
    assert HfApi(token=good).whoami()["name"] == "readers"
    again = dict(local_dir=Path(os.environ["HF_HOME"]) / "again", force_download=True)
    for token, words in [(soups, "has not the scope experts"), (old, "past its time"), (False, "this needs a token")]:
        error(GatedRepoError, words, snapshot_download, REPOSITORY, revision="base", token=token, **again)
    os.environ["HF_TOKEN"] = good
    hf = Path(sys.executable).parent / "hf"
    subprocess.run([hf, "download", REPOSITORY, "--revision", "base", "--local-dir", again["local_dir"]], check=True,
                   stdout=sys.stderr)
    assert (again["local_dir"] / WEIGHTS).stat().st_size > 0


if __name__ == "__main__":
    steps = {it.__name__: it for it in [base, expert, loads, snapshot, tool, cut, refused, kept, tokens]}
    steps[sys.argv[1]](*sys.argv[2:])
