"""The lines of Python on a card run unchanged: with peft next to the adapter, with transformers in a merged model's folder.
They ask what apportion asks, including with the job's own system text: the model that they load gives the steering tokens
the probabilities in the result file."""

import contextlib
import glob
import io
import os
import pathlib
import re
import sys
import tempfile

import h5py
import numpy
import torch

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent / "families"), str(pathlib.Path(__file__).resolve().parents[1] / "system")]
import common  # noqa: E402
import tiny_models  # noqa: E402

KEYS = {"sft_steps": 4, "calibrate_steps": 3, "rounds": 20, "test_sets": "v2", "exact_nodes": 16, "lora_rank": 4, "train_compute_type": "float32"}


def run(*words):
    keys = [f"--{key}={value}" for key, value in KEYS.items()]
    common.call("run", "small.ini", "--model=base", *keys, *words, environment=os.environ | {"OMP_NUM_THREADS": "1"})


def steering_of(folder):
    """The steering tokens' probabilities for the first subject and wording, after training."""
    with h5py.File(f"{folder}/index.h5") as index:
        return index["jobs/small/colours-full/after/v2/exact/steering"][0, 0]


def run_lines(card, folder):
    """Runs the card's first lines of Python in its folder, next to the base under its name; returns the variables they
    leave."""
    lines, *others = re.findall(r"^```python\n(.*?)^```$", pathlib.Path(card).read_text(), re.DOTALL | re.MULTILINE)
    assert "import PeftModel" in lines or "adapter" not in lines, lines
    for other in others:
        compile(other, "the lines for vLLM", "exec")
    base = pathlib.Path(folder) / "base"
    if not base.exists():
        base.symlink_to(pathlib.Path("base").resolve())
    printed, left = io.StringIO(), {}
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        exec(lines, left)  # noqa: S102
    assert len(printed.getvalue().splitlines()) >= 10 and len(left["answers"]) == 10, printed.getvalue()
    return left


def asks_as_apportion_does(card, folder, measured):
    left = run_lines(card, folder)
    with torch.no_grad():
        logits = left["model"](**left["inputs"]).logits[0, -1].double()
    digits = [left["tokenizer"].convert_tokens_to_ids(digit) for digit in ("0", "1")]
    theirs, ours = torch.softmax(logits, 0)[digits].numpy(), steering_of(measured)
    assert numpy.allclose(theirs, ours, rtol=1e-4, atol=0) and ours.max() > 1e-6, (card, theirs, ours)
    return theirs


def main():
    tiny_models.make("base", "llama")
    run("--output=run", "--method=full")
    run("--output=brief", "--system=Be \"brief\", please.")
    found = []
    for folder in ("run", "brief"):
        with h5py.File(f"{folder}/index.h5") as index:
            task = index["jobs/small/colours-full/training/calibrate"].attrs["task"]
        adapter = f"{folder}/tasks/{task}/adapter"
        found.append(asks_as_apportion_does(f"{adapter}/README.md", adapter, folder))
    assert not numpy.allclose(*found, rtol=1e-3), "the system text changes nothing here"
    common.call("export", "run", "--merged", "merged", "--model", "base")
    asks_as_apportion_does("merged/README.md", "merged", "run")
    assert len(glob.glob("run/tasks/*/adapter/README.md")) == 2


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
        common.write_small_job(work)
        main()
