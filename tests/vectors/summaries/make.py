"""Makes what lies beside it: three experts on a tiny base, and what soups of them write.

    LD_LIBRARY_PATH=$LIBTORCH/lib python3 tests/vectors/summaries/make.py FOLDER_OF_PROGRAMS [FOLDER_TO_WORK_IN]

Training goes on where it was interrupted, if the same folder to work in is given. Run by hand, with `potluck` and `potluck-train` built, when the vectors shall change; the test only reads what it wrote.
Tokens are those of `potluck-train generate`, greedy, in F32 on the CPU.
"""

import array
import json
import math
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
PROGRAMS = pathlib.Path(sys.argv[1])
PARTIES = ["agency", "checkers", "readers"]
ITEMS, LAMBDAS, DRIFT = 8, 12, 0.2


def run(program, *args):
    ended = subprocess.run([PROGRAMS / program, *map(str, args)], capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"{program} {args}: {ended.stderr}")
    return json.loads(ended.stdout.strip().splitlines()[-1])


def lambdas():
    """Corners, the middle, and points between them."""
    stream = random.Random(1)
    yield from ([1_000_000 * (at == it) for at in range(3)] for it in range(3))
    yield [333_334, 333_333, 333_333]
    for _ in range(LAMBDAS - 4):
        low, high = sorted(stream.randrange(1, 1_000_000) for _ in range(2))
        yield [low, high - low, 1_000_000 - high]


def drifted(model, party):
    """The base with noise: a reward moves so small a model little, and what is to be seen is that λ changes words."""
    stream = random.Random(party)
    length = int.from_bytes(model[:8], "little")
    header = json.loads(model[8:8 + length])
    data = bytearray(model[8 + length:])
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            values = array.array("f", data[begin:end])
            size = math.sqrt(sum(it * it for it in values) / len(values))
            data[begin:end] = array.array("f", (it + stream.gauss(0, DRIFT * size) for it in values)).tobytes()
    return model[:8 + length] + bytes(data)


def main():
    home = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())
    base = home / "base"
    recipe = ["--recipe", HERE / "recipe.toml", "--threads", 1, "--json"]
    run("potluck-train", "base", "--out", base, "--seed", 1, *recipe)
    for party in PARTIES:
        (HERE / f"{party}.safetensors").write_bytes(drifted((base / "model.safetensors").read_bytes(), party))
    for name in ["config.json", "tokenizer.json"]:
        shutil.copy(base / name, HERE / name)
    sample = lambda item: run("potluck-train", "sample", "--base", base, "--item", item, *recipe)
    articles = [sample(item)["article"] for item in range(ITEMS)]
    prompts = [word for article in articles for word in ("--prompt", f"<|bos|>{article}<|summary|>")]
    cases = []
    for number, ppm in enumerate(lambdas()):
        soup = home / f"soup-{number}"
        experts = [it for party in PARTIES for it in ("--expert", f"{party}={HERE / party}.safetensors")]
        share = lambda it: "1" if it == 1_000_000 else f"0.{it:06}"
        weights = ",".join(f"{party}={share(it)}" for party, it in zip(PARTIES, ppm))
        shutil.rmtree(soup, ignore_errors=True)
        soup.mkdir()
        run("potluck", "mix", *experts, "--lambda", weights, "--out", soup / "model.safetensors", "--json")
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"]:
            shutil.copy(base / name, soup / name)
        written = run("potluck-train", "generate", "--model", soup, "--tokens", 48, "--threads", 1, "--json", *prompts)
        tokens = [it["tokens"] for it in written["continuations"]]
        texts = [it["text"].strip() for it in written["continuations"]]
        cases.append({"lambda": dict(zip(PARTIES, ppm)), "tokens": tokens, "texts": texts})
    text = json.dumps({"articles": articles, "cases": cases}).replace('}, {', '},\n{')
    (HERE / "expected.json").write_text(text + "\n")


main()
