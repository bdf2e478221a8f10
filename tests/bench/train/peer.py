"""The other side of `cargo xtask bench train`: TRL and `transformers`, on the same models and batches.

    python peer.py generate|generate1|sft|rloo|grpo MODEL REPEATS [--bf16] [--seed S] [--steps N] ...

Prints one JSON object: seconds of each repeat, cpu_seconds of each, peak_rss_bytes, and what was measured.
The work is the same as in crates/potluck-train/benches/train.rs: 16 prompts of 8 tokens, 4 completions of
each, up to 56 tokens a completion; the reward of a completion is the share of its tokens that are even.
"""

import time

BEGUN = time.perf_counter()

import argparse
import json
import random
import resource

import torch

PROMPTS, GROUP, PROMPT, NEW = 16, 4, 8, 56


def prompts(vocabulary, count, seed):
    draw = random.Random(seed)
    return [[draw.randrange(4, vocabulary) for _ in range(PROMPT)] for _ in range(count)]


def words(tokens):
    return " ".join(f"w{token}" for token in tokens)


def timed(repeats, work, warm=1):
    seconds, cpu = [], []
    for repeat in range(warm + repeats):
        wall, used = time.perf_counter(), time.process_time()
        work()
        if repeat >= warm:
            seconds.append(time.perf_counter() - wall)
            cpu.append(time.process_time() - used)
    return seconds, cpu


def generate(args, batch):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    ids = torch.tensor(prompts(model.config.vocab_size, batch, 1))
    options = dict(max_new_tokens=NEW, min_new_tokens=NEW, do_sample=True, top_k=0, pad_token_id=0)

    def work():
        with torch.no_grad():
            model.generate(ids, attention_mask=torch.ones_like(ids), **options)

    seconds, cpu = timed(args.repeats, work)
    return dict(seconds=seconds, cpu_seconds=cpu, tokens=batch * NEW)


def sft(args):
    """Forward, backward and AdamW on 32 rows of 64 tokens."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    draw = random.Random(1)
    rows = torch.tensor([[draw.randrange(4, model.config.vocab_size) for _ in range(64)] for _ in range(32)])

    def work():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            loss = model(input_ids=rows, labels=rows).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()

    seconds, cpu = timed(args.repeats, work, warm=2)
    return dict(seconds=seconds, cpu_seconds=cpu, tokens=rows.numel())


def reinforce(args):
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    import trl

    tokenizer = AutoTokenizer.from_pretrained(args.model)
    tokenizer.padding_side = "left"
    vocabulary = AutoModelForCausalLM.from_pretrained(args.model).config.vocab_size
    steps = args.steps or args.repeats + 1
    data = Dataset.from_dict({"prompt": [words(p) for p in prompts(vocabulary, PROMPTS * steps, args.seed)]})

    def reward(completion_ids, **_):
        return [sum(token % 2 == 0 for token in ids) / max(len(ids), 1) for ids in completion_ids]

    times, rewards = [], []

    class Watch(TrainerCallback):
        def on_step_begin(self, *_, **__):
            times.append([time.perf_counter(), time.process_time()])

        def on_step_end(self, *_, **__):
            times[-1] += [time.perf_counter(), time.process_time()]

        def on_log(self, _, __, ___, logs=None, **____):
            if logs and "reward" in logs:
                rewards.append(logs["reward"])

    config, trainer = (trl.RLOOConfig, trl.RLOOTrainer) if args.work == "rloo" else (trl.GRPOConfig, trl.GRPOTrainer)
    options = dict(
        output_dir=args.scratch, per_device_train_batch_size=PROMPTS * GROUP, num_generations=GROUP,
        max_completion_length=NEW, max_steps=steps, beta=0.05, learning_rate=args.rate, seed=args.seed,
        lr_scheduler_type="constant_with_warmup", warmup_steps=10, adam_beta2=0.99, bf16=args.bf16, gradient_checkpointing=False, report_to="none",
        logging_steps=1, save_strategy="no", use_cpu=True, shuffle_dataset=False, disable_tqdm=True)
    it = trainer(model=args.model, reward_funcs=reward, args=config(**options), train_dataset=data,
                 processing_class=tokenizer, callbacks=[Watch()])
    it.train()
    first = times[0][2] - BEGUN
    # Sampling is part of a step: from the end of one step to the end of the next.
    ends = [(t[2], t[3]) for t in times]
    seconds = [b[0] - a[0] for a, b in zip(ends, ends[1:])]
    cpu = [b[1] - a[1] for a, b in zip(ends, ends[1:])]
    return dict(seconds=seconds, cpu_seconds=cpu, first_step=first, rewards=rewards)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=["generate", "generate1", "sft", "rloo", "grpo"])
    parser.add_argument("model")
    parser.add_argument("repeats", type=int)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--rate", type=float, default=1e-6)
    parser.add_argument("--scratch", default="/tmp/peer")
    args = parser.parse_args()
    if args.work.startswith("generate"):
        found = generate(args, 1 if args.work == "generate1" else 64)
    else:
        found = {"sft": sft, "rloo": reinforce, "grpo": reinforce}[args.work](args)
    # On Linux in KiB.
    found["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(found))
