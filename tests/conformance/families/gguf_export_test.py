"""What a small job has trained, as GGUF files: the model with the adapter merged in each type, the adapter alone, and all
weights. `apportion score` gives the same for the file as for base and adapter, and so does transformers after loading it.
Packed values have the bits of the `gguf` package, and that package's tensors add up: base + B A alpha / r is the merged
tensor, in the file's order of rows."""

import glob
import json
import os
import pathlib
import re
import tempfile

import families_job_test
import families_test
import gguf
import numpy as np
import tiny_models
import torch
from families_job_test import common
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXTS = ["What colour has a ball?", " two  blanks\n\n12345", "Zwölf Äpfel, 日本", "it's 7 <|im_end|>?"]
ROWS = [{"prompt": [{"role": "user", "content": text}], "answer": "1 red"} for text in TEXTS] + [{"prompt": "It is", "answer": " blue"}]
# How far log-probs, which go down to about -8, may be from those of base and adapter.
BOUNDS = {"f32": 2e-5, "f16": 0.03, "q8_0": 0.15}
LONG = "APPORTION_LONG" in os.environ
PACKED = ("model.gguf", "phi3-tied")  # also made in f16 and q8_0, from a file and from a folder; with --long all are
ALL_LAYERS = "--lora_layers=1"
MODELS = [("model.gguf", "toy"), ("qwen2", "of-qwen2"), ("llama3-rope", "of-llama3-rope"), ("gemma2-head-scale", "of-gemma2"), ("phi3-tied", "of-phi3")]
ARCHITECTURES = {"qwen2": gguf.MODEL_ARCH.QWEN2, "llama3-rope": gguf.MODEL_ARCH.LLAMA, "gemma2-head-scale": gguf.MODEL_ARCH.GEMMA2,
                 "phi3-tied": gguf.MODEL_ARCH.PHI3}  # fmt: skip


def distance(ours, theirs):
    """The largest difference between log-probs; the tokens must be the same."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        assert a["ids"] == b["ids"] and a["prompt_tokens"] == b["prompt_tokens"], (a, b)
        worst = max(worst, float(np.abs(np.array(a["log_probs"]) - b["log_probs"]).max()))
    return worst


def tensors_of(path):
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def value_of(path, key):
    return gguf.GGUFReader(path).fields[key].contents()


def permuted(name, values, heads):
    """llama.cpp's order of the rows of q and k (LlamaModel.permute), reimplemented."""
    if not re.search("attn_[qk].weight", name):
        return values
    return values.reshape(heads[name], 2, len(values) // heads[name] // 2, -1).swapaxes(1, 2).reshape(values.shape)


def base_tensors(work, model):
    """The base's matrices under GGUF's names, with rows in GGUF's order."""
    if model.endswith(".gguf"):
        return {name: tensor.data for name, tensor in tensors_of(work / model).items()}
    architecture = ARCHITECTURES[model]
    names = gguf.get_tensor_name_map(architecture, 2)
    heads = {f"blk.{layer}.attn_{which}.weight": count for layer in range(2) for which, count in [("q", 4), ("k", 2)]}
    found = {}
    for name, values in load_file(work / model / "model.safetensors").items():
        stem, _, kind = name.rpartition(".")
        new = f"{names.get_name(stem)}.{kind}"
        found[new] = permuted(new, values, heads) if architecture == gguf.MODEL_ARCH.LLAMA else values
        if architecture == gguf.MODEL_ARCH.GEMMA2 and new.endswith("norm.weight"):
            found[new] = 1 + found[new]  # Gemma2Model.modify_tensors of llama.cpp's converter
    return found


def types_of(model):
    return list(BOUNDS) if LONG or model in PACKED else ["f32"]


def types_of_a_merged_file(work, model, job, adapter):
    """Every type scores like base and adapter; packed values equal the package's."""
    both = families_test.score(str(work / model), ROWS, "--adapter", adapter)
    for kind in types_of(model):
        path, bound = work / f"{job}-{kind}.gguf", BOUNDS[kind]
        said = common.call("export", job, "--merged", path, "--gguf", kind, "--model", work / model, cwd=work).stdout
        assert said == f"{path} is {work / model} with the adapter of {adapter}\n", said
        off = distance(families_test.score(str(path), ROWS), both)
        print(f"{job}, {kind}: off by {off:.1e}")
        assert off <= bound, f"{job} in {kind} is off by {off}"
    plain = families_test.score(str(work / model), ROWS)
    assert distance(plain, both) > 1e-3, "nothing was added"
    whole = tensors_of(work / f"{job}-f32.gguf")
    numbers = {"f16": gguf.GGMLQuantizationType.F16, "q8_0": gguf.GGMLQuantizationType.Q8_0}
    for kind, number in [(kind, numbers[kind]) for kind in types_of(model) if kind != "f32"]:
        for name, tensor in tensors_of(work / f"{job}-{kind}.gguf").items():
            matrix = len(tensor.shape) == 2
            assert tensor.tensor_type == (number if matrix else gguf.GGMLQuantizationType.F32), name
            right = gguf.quants.quantize(whole[name].data, number) if matrix else whole[name].data
            assert tensor.data.tobytes() == right.tobytes(), f"{name} in {kind} has other bits than the gguf package's"


def an_adapter_adds_up(work, model, job, adapter):
    path = work / f"{job}-lora.gguf"
    common.call("export", job, "--gguf-lora", path, "--model", work / model, cwd=work)
    merged, base, lora = tensors_of(work / f"{job}-f32.gguf"), base_tensors(work, model), tensors_of(path)
    assert value_of(path, "general.type") == "adapter" and value_of(path, "adapter.type") == "lora"
    assert value_of(path, "general.architecture") == value_of(work / f"{job}-f32.gguf", "general.architecture")
    config = json.loads((pathlib.Path(adapter) / "adapter_config.json").read_text())
    assert value_of(path, "adapter.lora.alpha") == config["lora_alpha"]
    assert all(tensor.tensor_type == gguf.GGMLQuantizationType.F32 for tensor in lora.values())
    targets = {name.rpartition(".")[0] for name in lora}
    assert len(lora) == 2 * len(targets) and len(targets) == 2 * (4 if model == "phi3-tied" else 7), sorted(lora)
    worst, least = 0.0, 1.0
    for name, tensor in merged.items():
        if name == "rope_freqs.weight":
            continue
        right = base[name].astype(np.float64)
        if name in targets:
            a, b = lora[f"{name}.lora_a"].data, lora[f"{name}.lora_b"].data
            assert a.shape == (config["r"], right.shape[1]) and b.shape == (right.shape[0], config["r"]), name
            added = config["lora_alpha"] / config["r"] * b.astype(np.float64) @ a
            least = min(least, float(np.abs(added).max()))
            right = right + added
        worst = max(worst, float(np.abs(tensor.data - right).max() / np.abs(right).max()))
    print(f"{job}: the adapter adds up to {worst:.1e} of {len(merged)} tensors; it adds {least:.1e} and more")
    assert worst < 2e-7 and least > 1e-5, (worst, least)


def transformers_loads(work, model, job):
    for kind in [kind for kind in types_of(model) if kind != "f16"]:
        name = f"{job}-{kind}.gguf"
        padding = {"pad_token_id": 1} if model == "phi3-tied" else {}  # the class's own is beyond the small vocabulary
        loaded = AutoModelForCausalLM.from_pretrained(work, gguf_file=name, dtype=torch.float32, **padding).eval()
        if model in ("llama3-rope", "gemma2-head-scale"):
            # transformers does not read scaled rotations, rope_freqs.weight or caps from such files.
            scaled = AutoModelForCausalLM.from_pretrained(work / model, dtype=torch.float32, attn_implementation="eager").eval()
            scaled.load_state_dict(loaded.state_dict())
            loaded = scaled
        families_test.compare(f"{job}, {kind}, in transformers", loaded, str(work / name))
    tokenizer = AutoTokenizer.from_pretrained(work, gguf_file=name)
    for text, line in zip(TEXTS, families_test.score(str(work / name), ROWS), strict=False):
        if "<|" not in text:
            theirs = tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False)
            assert line["ids"][: line["prompt_tokens"]] == theirs, text


def all_weights_become_a_file(work, model, job):
    """The exported file scores like the folder that training saved; so does an exported folder, with the base's tokenizer."""
    families_job_test.run(work, model, f"{job}-all", "--adapter=none", "--sft_optimizer=adamw")
    export = ["export", f"{job}-all", "--model", work / model]
    for kind, bound in {"f32": 1e-5, "f16": BOUNDS["f16"], "q8_0": BOUNDS["q8_0"]}.items():
        path = work / f"{job}-all-{kind}.gguf"
        said = common.call(*export, "--merged", path, "--gguf", kind, cwd=work).stdout
        (saved,) = re.findall(rf"^{path} is {work / model} with the weights of (\S+/weights)\n$", said)
        off = distance(families_test.score(str(path), ROWS), families_test.score(str(work / saved), ROWS))
        print(f"{job}, all weights in {kind}: off by {off:.1e}")
        assert off <= bound, f"{job} with all weights in {kind} is off by {off}"
    assert distance(families_test.score(str(work / model), ROWS), families_test.score(str(work / saved), ROWS)) > 1e-3, "nothing was trained"
    stages = sorted(path.parent.name for path in (work / f"{job}-all").glob("tasks/*/weights"))
    assert len(stages) == 2 and pathlib.Path(saved).parent.name in stages, "the last stage's are exported"
    loaded = AutoModelForCausalLM.from_pretrained(work, gguf_file=f"{job}-all-f32.gguf", dtype=torch.float32).eval()
    families_test.compare(f"{job}, all weights, in transformers", loaded, str(work / f"{job}-all-f32.gguf"))
    folder = work / f"{job}-all-folder"
    common.call(*export, "--merged", folder, cwd=work)
    assert distance(families_test.score(str(folder), ROWS), families_test.score(str(work / saved), ROWS)) == 0
    said = common.call(*export, "--gguf-lora", work / "new.gguf", code=2, cwd=work).stderr
    assert "has trained all weights" in said and said.count("\n") == 1 and not (work / "new.gguf").exists(), said


def weights_of_a_file_are_a_folder(work):
    """All weights trained from a GGUF file become a folder. The program writes its config.json, here for an architecture with
    its own tensors and defaults."""
    families_job_test.run(work, "of-phi3-f32.gguf", "phi3-all", "--adapter=none", "--sft_optimizer=adamw")
    (path, *_) = sorted(glob.glob(str(work / "phi3-all/tasks/*/weights")))
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    assert type(model).__name__ == "Phi3ForCausalLM"
    families_test.compare("of-phi3, all weights trained", model, path)


def metadata_is_kept(work):
    """Exported from a GGUF file, the tokens stay as they were, including types; from a folder, all of them are there."""
    old, new = gguf.GGUFReader(work / "model.gguf").fields, gguf.GGUFReader(work / "toy-q8_0.gguf").fields
    kept = [key for key in old if key.startswith("tokenizer.")]
    assert len(kept) >= 7, kept
    for key in kept:
        assert old[key].types == new[key].types and old[key].contents() == new[key].contents(), key
    assert new["general.file_type"].contents() == gguf.LlamaFileType.MOSTLY_Q8_0
    fields = gguf.GGUFReader(work / "of-qwen2-f32.gguf").fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    assert len(tokens) == tiny_models.VOCABULARY and tokens[tiny_models.VOCABULARY - 1] == f"[PAD{tiny_models.VOCABULARY - 1}]"
    assert fields["tokenizer.ggml.pre"].contents() == "gpt-2" and fields["general.name"].contents() == "qwen2"
    assert tokens[fields["tokenizer.ggml.eos_token_id"].contents()] == "<|im_end|>"
    assert fields["tokenizer.chat_template"].contents() == tiny_models.CHATML
    divisors = tensors_of(work / "of-llama3-rope-f32.gguf")["rope_freqs.weight"].data
    assert divisors[0] == 1 and divisors[-1] == 8 and any(1 < divisor < 8 for divisor in divisors), divisors


def refused(work):
    """A refused export gives one line and no file."""
    out, job = work / "new.gguf", work / "of-qwen2"

    def line_of(*words):
        said = common.call("export", job, *words, "--model", work / "qwen2", code=2, cwd=work).stderr
        assert said.count("\n") == 1 and not out.exists(), said
        return said

    tiny_models.make(str(work / "gemma2"), "gemma2")
    families_job_test.run(work, "gemma2", "other", "--method=sft")
    said = common.call("export", "other", "--merged", out, "--gguf", "f32", "--model", work / "gemma2", code=2, cwd=work).stderr
    assert said.endswith("no place for (query_pre_attn_scalar)\n") and not out.exists(), said
    there = work / "toy-f32.gguf"
    assert f"{there} exists; name a file that does not exist yet" in line_of("--merged", there, "--gguf", "f16")
    assert f"{there} exists; name a file that does not exist yet" in line_of("--gguf-lora", there)
    assert "--gguf 'q4_0' must be q8_0, f16 or f32" in line_of("--merged", out, "--gguf", "q4_0")
    assert "--gguf belongs to export DIR --merged OUT.gguf" in line_of("--gguf", "f16", "--csv", "x.csv")
    assert "for which --gguf q8_0, f16 or f32 is needed" in line_of("--merged", out)
    assert "No such file or directory" in line_of("--merged", work / "none" / "new.gguf", "--gguf", "f16")
    path = work / "qwen2" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    digits = {"type": "Digits", "individual_digits": False}
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, tokenizer["pre_tokenizer"]]}
    path.write_text(json.dumps(tokenizer))
    said = line_of("--merged", out, "--gguf", "q8_0")
    assert said.startswith(f"apportion: {path}, byte ") and "no supported name for this way of cutting" in said, said
    assert not [name for name in os.listdir(work) if name.startswith("new.gguf")], "something is left"


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        common.write_small_job(work)
        for model, job in MODELS:
            if model in tiny_models.FAMILIES:
                tiny_models.make(str(work / model), model)
            families_job_test.run(work, model, job, ALL_LAYERS)
            said = common.call("export", job, "--merged", f"{job}-folder", "--model", work / model, cwd=work).stdout
            (adapter,) = re.findall(r" with the adapter of (\S+)\n", said)
            adapter = str(work / adapter)
            types_of_a_merged_file(work, model, str(work / job), adapter)
            an_adapter_adds_up(work, model, str(work / job), adapter)
            transformers_loads(work, model, job)
        all_weights_become_a_file(work, "qwen2", "of-qwen2")
        if LONG:
            all_weights_become_a_file(work, "model.gguf", "toy")
        weights_of_a_file_are_a_folder(work)
        metadata_is_kept(work)
        refused(work)


if __name__ == "__main__":
    main()
