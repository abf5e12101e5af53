"""The whole small job on a Hugging Face folder of each architecture: one rank, several ranks and shards give the same
bytes. The result loads where the model came from: transformers reads all weights with their tokenizer, peft reads the
adapter, and `apportion score` agrees with both."""

import glob
import json
import os
import pathlib
import re
import sys
import tempfile

import families_test
import h5py
import numpy as np
import tiny_models
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "system"))
import common  # noqa: E402

SHARDED = ["--shard_size=2", "--node_sharing=ignored"]
# Besides one rank: this many, with this layout. Prompts of mistral-window and gemma2 are longer than their windows.
FAMILIES = {"llama3-rope": (2, []), "mistral-window": (3, []), "qwen2": (4, SHARDED), "qwen3": (2, SHARDED), "gemma2": (4, SHARDED), "phi3": (2, SHARDED)}
# Those whose weights are also taken to transformers and merged, with a tensor of each kind that a family has; --long does so with
# all of them. Llama's scaled rotations go through gguf_export_test.
TAKEN = FAMILIES if "APPORTION_LONG" in os.environ else ("qwen2", "qwen3", "gemma2", "phi3")
# Its digits are not single tokens after a prompt, as with Llama 2's tokens.
STEERING = {"phi3": ["--steering=letter"]}
KEYS = {"sft_steps": 4, "calibrate_steps": 3, "rounds": 20, "test_sets": "v2", "exact_nodes": 16, "subjects": 2, "lora_rank": 4,
        "train_compute_type": "float32"}  # fmt: skip
SHOWN = {"role": "user", "content": "What is it?"}
BRIEF = {"role": "system", "content": "Be brief, please."}
CHAT = [BRIEF, {"role": "user", "content": "A ball?"}, {"role": "assistant", "content": "A blue one."}, SHOWN]


def run(work, model, output, *words, ranks=1):
    keys = [f"--{key}={value}" for key, value in KEYS.items()]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    common.call("run", "small.ini", f"--model={model}", f"--output={output}", *keys, *STEERING.get(model, []), *words, ranks=ranks, cwd=work, environment=environment)
    contents = common.contents(work / output)
    assert len(contents) >= 3, contents
    return contents


def equal_on_any_ranks(work, family):
    ranks, words = FAMILIES[family]
    alone, together = run(work, family, f"{family}-1"), run(work, family, f"{family}-{ranks}", *words, ranks=ranks)
    assert alone == together, f"{family}: other results on {ranks} ranks"


def an_adapter_loads_in_peft(work, family):
    (path, *_) = sorted(glob.glob(str(work / f"{family}-1/tasks/*/adapter")))
    base = AutoModelForCausalLM.from_pretrained(work / family, dtype=torch.float32)
    with open(f"{path}/adapter_config.json") as file:
        assert sorted(json.load(file)["target_modules"]) == sorted(tiny_models.linear_names(base)), "not the names of the model's modules"
    families_test.compare(f"{family}, an adapter of ours", PeftModel.from_pretrained(base, path).eval(), str(work / family), "--adapter", path)


def a_merged_model_scores_as_base_and_adapter(work, family):
    merged = work / f"{family}-merged"
    said = common.call("export", work / f"{family}-1", "--merged", merged, "--model", work / family).stdout
    (path,) = re.findall(r" with the adapter of (\S+)\n", said)
    rows = [{"prompt": [SHOWN], "answer": "1 red"}, {"prompt": "It is", "answer": " blue"}]
    scored = families_test.score(str(merged), rows)
    for ours, theirs in zip(scored, families_test.score(str(work / family), rows, "--adapter", path), strict=True):
        assert ours["ids"] == theirs["ids"] and np.allclose(ours["log_probs"], theirs["log_probs"], atol=2e-5), (ours, theirs)
    plain = families_test.score(str(work / family), rows)
    assert not np.allclose(plain[0]["log_probs"], scored[0]["log_probs"], atol=1e-3), "nothing was added"
    model = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).eval()
    families_test.compare(f"{family}, merged", model, str(merged))


def no_folder_is_made(work, family):
    """An export that cannot be made says why."""
    job, merged = work / f"{family}-1", work / f"{family}-merged"
    assert "--model says where" in common.call("export", job, "--merged", f"{merged}2", code=2).stderr
    assert "exists; name a folder" in common.call("export", job, "--merged", merged, code=2).stderr
    said = common.call("export", job, "--merged", f"{merged}2", "--adapter", "other", code=2).stderr
    assert "has no cell 'other'; did you mean" in said and said.count("\n") == 1, said
    assert not os.path.exists(f"{merged}2")


def all_weights_load_in_transformers(work, family):
    run(work, family, f"{family}-all", "--adapter=none", "--sft_optimizer=adamw")
    (path, *_) = sorted(glob.glob(str(work / f"{family}-all/tasks/*/weights")))
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    families_test.compare(f"{family}, all weights trained", model, path)
    tokenizer, chats = AutoTokenizer.from_pretrained(path), [[SHOWN], [BRIEF, SHOWN], CHAT]
    lines = families_test.score(path, [{"prompt": chat, "answer": "1 red"} for chat in chats])
    for line, chat in zip(lines, chats, strict=True):
        theirs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
        assert line["ids"][: line["prompt_tokens"]] == theirs, f"another prompt than transformers' of {chat}"


def result_of(folder, label):
    """The only task with that label: its folder, and what was measured."""
    for path in glob.glob(str(folder / "tasks/*/result.h5")):
        with h5py.File(path) as file:
            if file.attrs["label"] == label:
                measured = "rounds" in file
                return os.path.dirname(path), [file["rounds/counts"][:], file["answers/log_prob"][:]] if measured else None
    raise AssertionError(f"{folder} has no task {label}")


def kept_kl(folder):
    """From a run's only retention task: how far each prompt's answer has moved from the model before training."""
    for path in glob.glob(str(folder / "tasks/*/result.h5")):
        with h5py.File(path) as file:
            if "keep" in file:
                return file["keep/kl"][:]
    raise AssertionError(f"{folder} has no retention task")


def equal(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def an_adapter_from_the_start(work):
    """An adapter from another run gives the same measurement as there, and training continues from it; so does peft's own
    adapter with its own targets. Any number of ranks gives the same bytes."""
    model, first = work / "qwen2", work / "qwen2-1"
    trained, _ = result_of(first, "stage 2")
    (work / "keep.txt").write_text("[knowledge]\nWhat is a cat?\nWhat is red?\nCount the dogs.\n")
    kept = ["--retain_weight=1", "--retain_prompts=2", "--retention=true", "--keep_train=keep.txt", "--keep_test=keep.txt"]
    words = [f"--adapter_in={trained}/adapter", *kept]
    assert run(work, "qwen2", "on", *words) == run(work, "qwen2", "on-2", *words, ranks=2), "other results on 2 ranks"
    before, after = result_of(work / "on", "before, v2")[1], result_of(first, "after, v2")[1]
    assert equal(before, after) and not equal(before, result_of(first, "before, v2")[1]), "not the model with its adapter"
    still = [f"--adapter_in={trained}/adapter", "--method=sft", "--sft_learning_rate=1e-9", *kept]
    run(work, "qwen2", "still", *still)
    (begun, other) = (load_file(f"{path}/adapter/adapter_model.safetensors") for path in (trained, result_of(work / "still", "stage 1")[0]))
    assert all(torch.allclose(begun[name], other[name], atol=1e-6) for name in begun), "it does not go on with the adapter"
    # Retention compares with the model that has that adapter.
    moved, unmoved = kept_kl(work / "on"), kept_kl(work / "still")
    assert len(unmoved) and np.abs(unmoved).max() < 1e-5 < np.abs(moved).max(), (moved, unmoved)
    theirs = work / "peft"
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=256, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(base, config).save_pretrained(theirs)
    run(work, "qwen2", "peft-on", f"--adapter_in={theirs}", "--method=sft")
    path = f"{result_of(work / 'peft-on', 'stage 1')[0]}/adapter"
    with open(f"{path}/adapter_config.json") as file:
        written = json.load(file)
    assert (written["r"], written["lora_alpha"], sorted(written["target_modules"])) == (4, 256, ["down_proj", "q_proj"]), written
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    families_test.compare("what went on with peft's adapter", PeftModel.from_pretrained(base, path).eval(), str(model), "--adapter", path)
    for wrong, line in [
        (["--lora_rank=8"], f"lora_rank = 8, but the adapter {theirs} has 4; leave the key out"),
        (["--adapter=none", "--sft_optimizer=adamw"], f"adapter_in = {theirs} goes on with an adapter, so adapter must be lora"),
        ([f"--adapter_in={work}"], "adapter_config.json"),
    ]:
        adapter = [] if wrong[0].startswith("--adapter_in") else [f"--adapter_in={theirs}"]
        words = [f"--model={model}", *adapter, *wrong, "--output=refused"]
        said = common.call("run", "small.ini", *words, code=2, cwd=work).stderr
        assert line in said and said.count("\n") == 1, said


def a_system_text_is_in_every_prompt(work):
    """A system text gives other tasks with other results; without one they are the same as before the key existed."""
    text = BRIEF["content"]
    plain, other = run(work, "llama3-rope", "llama3-rope-1"), run(work, "llama3-rope", "system", f"--system={text}")
    assert run(work, "llama3-rope", "llama3-rope-1", "--system=default") == plain
    assert not plain.keys() & other.keys() and len(plain) == len(other), (plain.keys(), other.keys())
    for label in ("before, v2", "after, v2"):
        assert not equal(result_of(work / "llama3-rope-1", label)[1], result_of(work / "system", label)[1]), f"{label}: nobody saw the system text"
    described = common.call("inspect", work / "llama3-rope", f"--system={text}").stdout
    theirs = AutoTokenizer.from_pretrained(work / "llama3-rope").apply_chat_template
    shown = json.loads(re.search(r"^template +(.*)$", described, re.M)[1])
    user = re.search(r"user\n(.*)<\|im_end\|>\n<\|im_start\|>assistant", shown)[1]
    assert shown == theirs([BRIEF, {"role": "user", "content": user}], tokenize=False, add_generation_prompt=True), described
    # A template other than ChatML, without a system turn.
    config = work / "qwen2" / "tokenizer_config.json"
    before = config.read_text()
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
    config.write_text(json.dumps(json.loads(before) | {"chat_template": strict + tiny_models.CHATML}))
    said = common.call("run", "small.ini", f"--model={work / 'qwen2'}", f"--system={text}", "--output=refused", code=2, cwd=work).stderr
    assert said == f"apportion: system = {text}: the model's chat template says: no system turns; use default or none\n", said
    config.write_text(before)


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        common.write_small_job(work)
        for family in FAMILIES:
            tiny_models.make(str(work / family), family)
            equal_on_any_ranks(work, family)
            an_adapter_loads_in_peft(work, family)
            if family in TAKEN:
                a_merged_model_scores_as_base_and_adapter(work, family)
                all_weights_load_in_transformers(work, family)
        no_folder_is_made(work, "qwen3")
        a_gguf_file_becomes_a_folder(work)
        an_adapter_from_the_start(work)
        a_system_text_is_in_every_prompt(work)
        described = common.call("inspect", work / "qwen2").stdout
        assert "qwen2: 2 blocks of width 64; 4 heads of 16, 2 of keys and values" in described, described
        assert "biases of queries, keys and values" in described and "0 to 9" in described, described
        layers_in_one_tensor_are_named_together(work)
        described = common.call("inspect", work / "gemma2").stdout
        assert f"a window of {tiny_models.WINDOW} tokens in 1 of 2 blocks" in described and "context 512" in described, described
        rows_are_checked(work)
        refused(work)
    print(json.dumps({"families": FAMILIES}))


def layers_in_one_tensor_are_named_together(work):
    """The default names Llama's layers; all of them together mean all of Phi-3's."""
    described = common.call("inspect", work / "phi3").stdout
    assert "(rank 32) on qkv_proj, o_proj, gate_up_proj, down_proj\n" in described and "none of 0 to 9; ABCDEFW alone of A to Z" in described, described
    names = "qkv_proj, o_proj, gate_up_proj, down_proj"
    for model, targets, wrong, names in [
        ("phi3", "q_proj,v_proj", "q_proj", names),
        ("phi3", "q_proj,k_proj,v_proj,gate_proj", "gate_proj", names),
        ("qwen2", "qkv_proj", "qkv_proj", "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"),
    ]:
        said = common.call("run", "small.ini", f"--model={work / model}", f"--lora_targets={targets}", "--output=refused", code=2, cwd=work).stderr
        assert said == f"apportion: lora_targets has {wrong}, which is not a layer of a {model} model; those of {names} are\n", said


def a_gguf_file_becomes_a_folder(work):
    """The folder has the file's tokens, for transformers as well."""
    run(work, "model.gguf", "gguf")
    merged = work / "from-gguf"
    common.call("export", work / "gguf", "--merged", merged, cwd=work)
    texts = ["What colour has a ball?", " two  blanks\n\n12345", "Zwölf Äpfel, 日本", "it's <|im_end|>?"]
    tokenizer = AutoTokenizer.from_pretrained(merged)
    rows = [{"prompt": [{"role": "user", "content": text}], "answer": "0 blue"} for text in texts]
    lines = families_test.score(str(merged), rows)
    for line, other, text in zip(lines, families_test.score(str(work / "model.gguf"), rows), texts, strict=True):
        assert line["ids"] == other["ids"], text
        if "<|" not in text:
            theirs = tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False)
            assert line["ids"][: line["prompt_tokens"]] == theirs, text
    model = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).eval()
    families_test.compare("a GGUF file, merged", model, str(merged))


def rows_are_checked(work):
    """A wrong row gives one line that names its line number; rows before it were scored."""
    right = {"prompt": "It is", "answer": " red"}
    for wrong, line in [
        ("{", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ({"prompt": "a"}, "it has no answer"),
        (right | {"system": "b"}, "it has the key system"),
        ({"prompt": "", "answer": "a"}, "prompt and answer need a token each"),
        ({"prompt": [{"role": "system", "content": "a"}], "answer": "b"}, "prompt is neither a text nor"),
        ({"prompt": [SHOWN | {"name": "a"}], "answer": "b"}, "prompt is neither a text nor"),
        ({"prompt": [{"role": "tool", "content": "a"}, SHOWN], "answer": "b"}, "prompt is neither a text nor"),
        ({"prompt_ids": [1, tiny_models.VOCABULARY], "answer_ids": [1]}, f"prompt_ids has {tiny_models.VOCABULARY}; ids below"),
        ({"prompt_ids": [1] * 600, "answer_ids": [1]}, "its 601 tokens are more than the model's context of 512"),
    ]:
        path = work / "rows.jsonl"
        path.write_text(json.dumps(right) + "\n\n" + (wrong if isinstance(wrong, str) else json.dumps(wrong)) + "\n")
        said = common.call("score", work / "qwen2", path, code=2).stderr
        assert said.startswith(f"apportion: {path}, line 3: {line}") and said.count("\n") == 1, said
    said = common.call("score", work / "qwen2", work / "none.jsonl", code=2).stderr
    assert "none.jsonl" in said and said.count("\n") == 1, said


def refused(work):
    """What cannot be computed is refused in one line."""
    path = work / "qwen2" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"partial_rotary_factor": 0.5}))
    said = common.call("inspect", work / "qwen2", code=2).stderr
    assert said == f"apportion: {path}: partial_rotary_factor is not supported, and may change what the model computes\n", said
    path.unlink()
    said = common.call("run", "small.ini", f"--model={work / 'qwen2'}", code=2, cwd=work).stderr
    assert "has no config.json" in said and said.count("\n") == 1, said
    said = common.call("run", "small.ini", "--model=nobody/nothing", code=2, cwd=work).stderr
    assert "hf download nobody/nothing" in said and said.count("\n") == 1, said


if __name__ == "__main__":
    main()
