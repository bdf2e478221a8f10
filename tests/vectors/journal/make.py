"""Makes vectors/journal/known.tfevents with TensorBoard's own writer; with --check DIR, reads what a journal wrote.

    python3 -m venv venv && venv/bin/pip install tensorboard==2.21.0
    venv/bin/python tests/vectors/journal/make.py
    POTLUCK_KEEP_JOURNAL=/tmp/journal cargo test --release -p potluck-train --lib journal
    venv/bin/python tests/vectors/journal/make.py --check /tmp/journal

Run by hand when the vectors shall change; the tests only read what it wrote.
"""

import json
import pathlib
import sys

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
        print(stage, len(wanted), "figures,", len(mine), "texts: read as written")


if sys.argv[1:2] == ["--check"]:
    check(pathlib.Path(sys.argv[2]))
else:
    make(pathlib.Path(__file__).parent / "known.tfevents")
