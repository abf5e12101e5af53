"""Log-probs from `apportion score` against transformers, float32, for a small random model of each architecture and feature,
also with an adapter written by peft, and that adapter's gradient against peft's. Covers lengths beyond a scaled rotation's
original length and beyond a window, models in one file and in several, and each type that a file may have."""

import copy
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import tiny_models
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file

BOUND = 1e-4
RNG = np.random.default_rng(20)
LENGTHS = [(1, 1), (3, 2), (20, 9), (150, 40)]  # also around and beyond tiny_models.WINDOW
TYPES = {"bf16": torch.bfloat16, "f16": torch.float16}


def random_rows(tokens):
    return [{"prompt_ids": RNG.integers(0, tokens, prompt).tolist(), "answer_ids": RNG.integers(0, tokens, answer).tolist()} for prompt, answer in LENGTHS]


def score(folder, rows, *words):
    path = os.path.join(os.path.dirname(folder), "rows.jsonl")
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    done = subprocess.run([os.environ["APPORTION_BIN"], "score", folder, path, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{folder}: {done.stderr}"
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(rows)
    return lines


def expected(model, row):
    ids = torch.tensor([row["prompt_ids"] + row["answer_ids"]])
    with torch.no_grad():
        log_probs = model(ids).logits[0].float().log_softmax(-1)
    first = len(row["prompt_ids"])
    return log_probs[range(first - 1, ids.shape[1] - 1), ids[0, first:]].numpy()


def compare(name, model, folder, *words):
    """Compares log-probs, relative to how far apart they are from each other."""
    rows, worst, span, values = random_rows(model.config.vocab_size), 0.0, 0.0, []
    for row, line in zip(rows, score(folder, rows, *words), strict=True):
        assert line["ids"] == row["prompt_ids"] + row["answer_ids"] and line["prompt_tokens"] == len(row["prompt_ids"])
        theirs = expected(model, row)
        worst = max(worst, float(np.abs(theirs - np.array(line["log_probs"])).max()))
        span = max(span, float(np.abs(theirs).max()))
        values.extend(theirs)
    print(f"{name}: off by {worst:.1e} of {span:.1f}")
    assert np.std(values) > 0.25, "all log-probs are about alike: nothing would show"
    assert worst <= BOUND * span, f"{name} is not transformers' within {BOUND}"


def with_adapter(name, model, folder):
    targets = [name for name in tiny_models.linear_names(model) if name not in ("k_proj", "gate_proj")]
    config = LoraConfig(r=4, lora_alpha=8, target_modules=targets, init_lora_weights=False)
    adapted = get_peft_model(model, config)
    path = os.path.join(folder, "adapter")
    adapted.save_pretrained(path)
    compare(f"{name} with an adapter of peft's", adapted.eval(), folder, "--adapter", path)


def gradients_are_pefts(name, model, folder):
    """The adapter's gradient equals peft's, for the mean over all answer tokens: stage 1's loss, from losses_dump."""
    into = os.path.join(os.path.dirname(folder), f"{name}-losses")
    subprocess.run([os.path.join(os.environ["APPORTION_BUILD"], "tests", "losses_dump"), folder, into], check=True)
    with open(os.path.join(into, "rows.json")) as file:
        given = json.load(file)
    adapted = PeftModel.from_pretrained(model, os.path.join(into, "policy"), is_trainable=True)
    loss, tokens = 0.0, 0
    for row in given["rows"]:
        ids = torch.tensor(row["prompt"] + row["accepted"])
        log_probs = adapted(ids[None]).logits[0].log_softmax(-1)
        first = len(row["prompt"])
        loss -= log_probs[range(first - 1, len(ids) - 1), ids[first:]].sum()
        tokens += len(row["accepted"])
        assert len(ids) > tiny_models.WINDOW, "within the window: nothing would show"
    loss = loss / tokens
    loss.backward()
    theirs = {key.replace(".default.", "."): value.grad for key, value in adapted.named_parameters() if value.grad is not None}
    ours = load_file(os.path.join(into, "sft", "adapter_model.safetensors"))
    assert set(theirs) == set(ours), sorted(set(theirs) ^ set(ours))[:4]
    difference = sum(float((ours[key] - theirs[key]).double().square().sum()) for key in ours) ** 0.5
    norm = sum(float(theirs[key].double().square().sum()) for key in theirs) ** 0.5
    off = abs(given["loss"]["sft"] / loss.item() - 1)
    print(f"{name}: loss {loss.item():.4f}, off by {off:.1e}; gradient of norm {norm:.3g}, off by {difference / norm:.1e}")
    assert norm > 0 and off <= BOUND and difference <= BOUND * norm, f"{name}: the gradient is not peft's within {BOUND}"


def without_a_list_of_layers(name, model, folder):
    """Works with a config.json as transformers 4 writes it, where the model's type decides which layers have a window."""
    path = os.path.join(folder, "config.json")
    with open(path) as file:
        config = json.load(file)
    if config.pop("layer_types", None) and config["sliding_window"]:
        with open(path, "w") as file:
            json.dump(config, file)
        compare(f"{name} without layer_types", model, folder)


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        for family in tiny_models.FAMILIES:
            folder = os.path.join(work, family)
            model = tiny_models.make(folder, family)
            compare(family, model, folder)
            gradients_are_pefts(family, copy.deepcopy(model), folder)
            without_a_list_of_layers(family, model, folder)
            with_adapter(family, model, folder)
        for name, dtype in TYPES.items():
            folder = os.path.join(work, name)
            model = tiny_models.make(folder, "qwen2", dtype, max_shard_size="100KB")
            parts = [part for part in os.listdir(folder) if part.startswith("model-")]
            assert len(parts) > 2, parts
            compare(f"{name} in {len(parts)} files", model, folder)


if __name__ == "__main__":
    main()
    sys.exit(0)
