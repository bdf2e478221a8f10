"""What `flower.py` runs in Flower: a server that asks every client once for its parameters, and clients that have some.

The time is from the question until every answer is in the server's memory, as a strategy would have it.
"""

import json
import time
from pathlib import Path

import numpy
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

client = ClientApp()
server = ServerApp()


@client.train()
def train(message: Message, context: Context) -> Message:
    """Answers with one array of noise, of the length that is asked for."""
    mebibytes = int(message.content["question"]["mebibytes"])
    noise = numpy.random.default_rng(context.node_id % 2**32)
    array = noise.integers(0, 2**32, mebibytes << 18, dtype=numpy.uint32).view(numpy.float32)
    Path(message.content["question"]["made"], str(context.node_id)).touch()
    return Message(content=RecordDict({"arrays": ArrayRecord([array])}), reply_to=message)


@server.main()
def main(grid: Grid, context: Context) -> None:
    """Asks, waits, and writes down how long it took."""
    config = context.run_config
    while len(nodes := list(grid.get_node_ids())) < config["clients"]:
        time.sleep(0.2)
    question = RecordDict({"question": ConfigRecord({"mebibytes": config["mebibytes"], "made": config["made"]})})
    asked = time.time()
    answers = list(
        grid.send_and_receive(
            [Message(content=question, dst_node_id=node, message_type="train") for node in nodes]
        )
    )
    done = time.time()
    errors = [str(it.error) for it in answers if it.has_error()]
    got = sum(
        sum(len(array.data) for array in it.content["arrays"].values()) for it in answers if not it.has_error()
    )
    # From when the last client had its parameters: to make them is not Flower's.
    made = max((it.stat().st_mtime for it in Path(config["made"]).iterdir()), default=asked)
    Path(config["result"]).write_text(
        json.dumps({"seconds": done - made, "with_making": done - asked, "bytes": got, "errors": errors})
    )
