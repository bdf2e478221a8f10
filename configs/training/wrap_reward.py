"""Makes a reward function that was written for TRL, verl or OpenRLHF a reward of kind "exec":

    command = ["python3", "wrap_reward.py", "trl", "my_rewards.py:accuracy"]

The first argument says how the function is called: trl, trl-chat (completions as lists of messages), verl
(compute_score; columns data_source, ground_truth, extra_info) or openrlhf (column label). What it prints goes to the log.
"""
import asyncio, importlib.util, inspect, json, sys

style, (path, name) = sys.argv[1], sys.argv[2].rsplit(":", 1)
spec = importlib.util.spec_from_file_location("rewards", path)
spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
reward, (answers, sys.stdout) = getattr(module, name), (sys.stdout, sys.stderr)
for line in sys.stdin:
    request, metrics = json.loads(line), {}
    prompts, texts, columns = request["prompts"], request["completions"], request["columns"]
    if style == "verl":
        keys = ("data_source", "ground_truth", "extra_info")
        rows = zip(texts, *(columns.get(key, [None] * len(texts)) for key in keys))
        scores = [reward(source, text, truth, extra) for text, source, truth, extra in rows]
        scores = [it["score"] if isinstance(it, dict) else it for it in scores]
    elif style == "openrlhf":
        scores = reward([a + b for a, b in zip(prompts, texts)], prompts, columns.get("label", [None] * len(texts)))
        scores = scores["rewards"] if isinstance(scores, dict) else scores
    else:
        if style == "trl-chat":
            texts = [[{"role": "assistant", "content": text}] for text in texts]
        scores = reward(prompts=prompts, completions=texts, completion_ids=None,
                        log_metric=metrics.__setitem__, log_extra=lambda *_: None, **columns)
        scores = asyncio.run(scores) if inspect.iscoroutine(scores) else scores
    scores = [None if it is None else float(it) for it in scores]
    print(json.dumps({"id": request["id"], "rewards": scores, "metrics": metrics}), file=answers, flush=True)
