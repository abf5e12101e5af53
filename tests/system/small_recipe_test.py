"""A small version of the recipe without a hold (preset unheld), with the real model: three occupations, fewer steps, fewer
prompts per step. On wordings that were never trained on (v2), shares must come near the targets, answers must begin with
a digit, and texts must agree with their digit; the untouched model does not begin with digits. Targets are half and half,
so giving one answer everywhere would cost 0.5. The full version is jobs/paper.ini."""

import json
import os
import pathlib
import subprocess
import tempfile

APPORTION = os.environ["APPORTION_BIN"]
SOURCE = os.environ["APPORTION_SOURCE"]
SMALLER = {
    "preset": "unheld",
    "retention": "false",
    "subjects": 3,  # 120 prompts
    "batch_prompts": 8,
    "sft_steps": 30,
    "calibrate_steps": 4,
    "test_sets": "v2",
    "rounds": 50,
}


def measures(folder):
    """Runs the recipe; returns {before or after: what was measured}."""
    job = os.path.join(SOURCE, "jobs/paper.ini")
    options = [f"--{key}={value}" for key, value in SMALLER.items()]
    options += ["--sweep", "dataset=gender-us-even", "--sweep", "method=full"]
    subprocess.run([APPORTION, "run", job, "--output", folder, "--quiet", *options], check=True, stdout=subprocess.DEVNULL)
    report = subprocess.run([APPORTION, "report", folder, "--json"], check=True, capture_output=True, text=True)
    (cell,) = json.loads(report.stdout)["cells"]
    return {measure["when"]: measure for measure in cell["measures"]}


def main():
    with tempfile.TemporaryDirectory() as folder:
        found = measures(folder)
        adapters = [json.loads(file.read_text()) for file in pathlib.Path(folder).glob("tasks/*/adapter/adapter_config.json")]
    bases = [adapter["base_model_name_or_path"] for adapter in adapters]
    assert bases == ["HuggingFaceTB/SmolLM2-135M-Instruct"] * 2, f"peft would look for {bases}"
    for when, measure in found.items():
        print(when, {key: measure[key] for key in ("exact_error", "mae", "expected_mae", "coverage", "agreement")})
    before, after = found["before"], found["after"]
    assert before["coverage"] < 0.1, "the untouched model begins with digits: nothing is to be learnt"
    assert after["coverage"] > 0.99, f"answers do not begin with a digit: {after['coverage']:.3f}"
    assert after["exact_error"] is not None, "answers spread too wide for exact shares"
    assert after["exact_error"] < 0.1, f"shares are far from the targets: {after['exact_error']:.3f}"
    assert after["agreement"] > 0.9, f"texts say other than digits: {after['agreement']:.3f}"


if __name__ == "__main__":
    main()
