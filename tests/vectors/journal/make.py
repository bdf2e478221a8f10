"""Makes the files of vectors/journal with the writers of TensorBoard and of Weights & Biases.

With --check DIR, both programs read what a journal wrote.

    python3 -m venv venv && venv/bin/pip install tensorboard==2.21.0 wandb==0.31.0
    venv/bin/python tests/vectors/journal/make.py
    POTLUCK_KEEP_JOURNAL=/tmp/journal cargo test --release -p potluck-train --lib journal
    venv/bin/python tests/vectors/journal/make.py --check /tmp/journal

Run by hand when the vectors shall change; the tests only read what it wrote.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.plugins.text import metadata
from tensorboard.summary.writer.record_writer import RecordWriter


def make(path):
    value = summary_pb2.Summary.Value
    one = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)])
    words = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_shape=one, string_val=["**Grüße**".encode()])
    plugin = metadata.create_summary_metadata(display_name="", description="")
    scalars = [value(tag="reward", simple_value=0.25), value(tag="rewards/brevity/mean", simple_value=-1.1)]
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for event in [
            event_pb2.Event(wall_time=1764403200.0, file_version="brain.Event:2"),
            event_pb2.Event(wall_time=1764403201.5, step=0, summary=summary_pb2.Summary(value=scalars)),
            event_pb2.Event(wall_time=1764403202.0, step=300, summary=summary_pb2.Summary(
                value=[value(tag="samples", metadata=plugin, tensor=words)])),
        ]:
            writer.write(event.SerializeToString(deterministic=True))


def make_offline_run(path):
    """A run of 120 steps as their program writes it: long enough that a record crosses a block."""
    import wandb

    with tempfile.TemporaryDirectory() as folder:
        quiet = wandb.Settings(
            x_disable_stats=True, x_disable_meta=True, console="off", disable_git=True, save_code=False, host="a-machine")
        run = wandb.init(project="potluck", name="try", dir=folder, mode="offline", settings=quiet)
        for step in range(120):
            run.log({"reward": step / 4, "rewards/brevity/mean": -1.0})
        run.finish()
        (written,) = pathlib.Path(folder).glob("wandb/offline-run-*/run-*.wandb")
        shutil.copy(written, path)


def check_offline_run(folder, stage, lines):
    """Every figure of the stage is read by their program, and the run is one that can be synced."""
    wandb = pathlib.Path(sys.executable).parent / "wandb"
    (run,) = (folder / "wandb" / stage).glob("offline-run-*")
    said = subprocess.run([wandb, "leet", "inspect", "--json", run], capture_output=True, text=True, check=True).stdout
    read = {}
    for record in map(json.loads, said.splitlines()):
        if "history" in record:
            items = record["history"]["item"]
            read[items["_step"]] = {name: figure for name, figure in items.items() if name[0] != "_"}
    wanted = {line["step"]: {name: figure for name, figure in line.items() if isinstance(figure, float)}
              for line in lines if line["stage"] == stage and "warning" not in line}
    assert read == wanted, (read, wanted)
    answer = subprocess.run([wandb, "sync", "--dry-run", run], capture_output=True, text=True, check=True)
    assert "Would sync 1 run" in answer.stdout + answer.stderr, answer
    print(stage, len(read), "steps: read by wandb as written")


def check(folder):
    """Every figure of metrics.jsonl, and every text of samples.jsonl, is read by TensorBoard."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    texts = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    stages = {line["stage"] for line in lines}
    for stage in stages:
        board = EventAccumulator(str(folder / "tensorboard" / stage), size_guidance={"scalars": 0, "tensors": 0})
        board.Reload()
        wanted = {}
        for line in lines:
            for name, figure in line.items():
                if line["stage"] == stage and isinstance(figure, float):
                    wanted.setdefault(name, []).append((line["step"], figure))
        assert set(board.Tags()["scalars"]) == set(wanted), board.Tags()
        for name, figures in wanted.items():
            read = [(it.step, it.value) for it in board.Scalars(name)]
            assert [step for step, _ in read] == [step for step, _ in figures], (name, read)
            assert all(abs(a - b) < 1e-6 * max(1, abs(b)) for (_, a), (_, b) in zip(read, figures)), name
        mine = [text for text in texts if text["stage"] == stage]
        if mine:
            shown = {it.step: it.tensor_proto.string_val[0].decode() for it in board.Tensors("samples")}
            assert set(shown) == {text["step"] for text in mine}, shown
            assert all(text["completion"] in shown[text["step"]] for text in mine), shown
            assert board.SummaryMetadata("samples").plugin_data.plugin_name == "text"
        print(stage, len(wanted), "figures,", len(mine), "texts: read by TensorBoard as written")
        check_offline_run(folder, stage, lines)


if sys.argv[1:2] == ["--check"]:
    check(pathlib.Path(sys.argv[2]))
else:
    os.environ["WANDB_SILENT"] = "true"
    make(pathlib.Path(__file__).parent / "known.tfevents")
    make_offline_run(pathlib.Path(__file__).parent / "known.wandb")
