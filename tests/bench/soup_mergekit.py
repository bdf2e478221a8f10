"""mergekit's `linear`, called in a process in which it is imported already.

usage: soup_mergekit.py CONFIG OUT; the last line says how long the call took.
"""

import json
import sys
import time

import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions


def main(config, out):
    with open(config, encoding="utf-8") as file:
        config = MergeConfiguration.model_validate(yaml.safe_load(file))
    options = MergeOptions(
        copy_tokenizer=False, write_model_card=False, lazy_unpickle=True, async_write=True, quiet=True
    )
    begin = time.perf_counter()
    run_merge(config, out, options)
    print(json.dumps({"seconds": time.perf_counter() - begin}))


if __name__ == "__main__":
    main(*sys.argv[1:])
