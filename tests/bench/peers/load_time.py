"""How long a model takes to load and its peak memory, compared with transformers on the same file: in turns, each
scores one row in its own process. Peaks are resident pages, including mapped ones of the file. The two scores of the
row are compared, too.

Usage: load_time.py MODEL [RUNS]: a folder, or a GGUF file; the threads are those of OMP_NUM_THREADS."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROW = {"prompt_ids": [1, 9690, 198, 2683], "answer_ids": [359, 253, 5356]}
PEER = """
import json, os, sys, torch
from transformers import AutoModelForCausalLM
path, row = sys.argv[1], json.loads(sys.argv[2])
place = {"pretrained_model_name_or_path": path}
if os.path.isfile(path):
    place = {"pretrained_model_name_or_path": os.path.dirname(path), "gguf_file": os.path.basename(path)}
model = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32).eval()
ids = torch.tensor([row["prompt_ids"] + row["answer_ids"]])
with torch.no_grad():
    log_probs = model(ids).logits[0].log_softmax(-1)
first = len(row["prompt_ids"])
print(json.dumps({"log_probs": log_probs[range(first - 1, ids.shape[1] - 1), ids[0, first:]].tolist()}))
"""


def measured(command):
    """Seconds, most resident bytes, and the last line as JSON."""
    begin = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - begin
        assert status == 0, f"{command[0]} ended with {status}"
        out.seek(0)
        return seconds, usage.ru_maxrss * 1024, json.loads(out.read().strip().splitlines()[-1])


def main(model, runs=5):
    with tempfile.TemporaryDirectory() as folder:
        rows = os.path.join(folder, "rows.jsonl")
        with open(rows, "w") as file:
            file.write(json.dumps(ROW) + "\n")
        ours = [os.environ["APPORTION_BIN"], "score", model, rows]
        peer = [sys.executable, "-c", PEER, model, json.dumps(ROW)]
        found = {"apportion": [], "transformers": []}
        for _ in range(int(runs)):
            found["apportion"].append(measured(ours))
            found["transformers"].append(measured(peer))
    said = [runs_of[0][2]["log_probs"] for runs_of in found.values()]
    figures = {"model": os.path.basename(model), "off": float(np.abs(np.array(said[0]) - said[1]).max())}
    for name, runs_of in found.items():
        seconds, peaks = [run[0] for run in runs_of], [run[1] for run in runs_of]
        figures[name] = {"seconds": [round(s, 2) for s in sorted(seconds)], "peak_mb": round(max(peaks) / 1e6)}
    ours, theirs = found["apportion"], found["transformers"]
    figures["seconds_ratio"] = round(statistics.median(r[0] for r in ours) / statistics.median(r[0] for r in theirs), 3)
    figures["peak_ratio"] = round(max(r[1] for r in ours) / max(r[1] for r in theirs), 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
