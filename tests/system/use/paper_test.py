"""A small version of jobs/paper.ini: all six datasets by all methods, one command on two ranks, with a toy model. Every
cell is complete, tasks are shared as planned, and the report has a row for each method."""

import json
import os
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common  # noqa: E402

APPORTION = os.environ["APPORTION_BIN"]
ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1")
SMALLER = {
    "model": "model.gguf",
    "subjects": 3,
    "frames": "none",
    "retain_weight": 0,
    "retention": "false",  # measuring it for each trained cell would take three minutes
    "sft_steps": 2,
    "calibrate_steps": 2,
    "batch_prompts": 4,
    "rounds": 5,
    "max_answer_tokens": 3,
    "verbalized_tokens": 8,
    "exact_nodes": 4,
    "output": "paper",
}


def call(*words, launch=()):
    done = subprocess.run([*launch, APPORTION, *words], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, f"{words}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def main():
    job = [os.path.join(os.environ["APPORTION_SOURCE"], "jobs/paper.ini")]
    job += [f"--{key}={value}" for key, value in SMALLER.items()]
    plan = json.loads(call("plan", *job, "--json"))
    assert plan["cells"] == 60 and plan["unshared_tasks"] == 324, plan
    call("run", *job, "--quiet", launch=["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2"])
    # Per dataset: the untouched model on two test sets; stage 1 with digits and plain; stage 2 of kl-only, kto-only, full and
    # dpo; three test sets after training by each of six methods, and two for each of the three that only ask differently.
    assert len(os.listdir("paper/tasks")) == plan["tasks"] == 6 * (2 + 2 + 4 + 6 * 3 + 3 * 2), plan["tasks"]
    cells = json.loads(call("report", "paper", "--json"))["cells"]
    assert len({(cell["swept"]["dataset"], cell["swept"]["method"]) for cell in cells}) == 60, cells
    by = json.loads(call("report", "paper", "--by", "method", "--json"))
    assert by["missing"] == [] and all(row["cells"] == 6 for row in by["rows"]) and len(by["rows"]) == 10, by
    assert json.loads(call("plan", *job, "--json"))["finished_cells"] == 60


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        common.write_small_job(work)
        os.chdir(work)
        main()
