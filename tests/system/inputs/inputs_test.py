"""Model files and datasets as users really have them, not as they should be. The program takes each as it was meant, or
refuses it in one line that says what is wrong, where, and what to do; never an internal error, a crash or a number in
place of words. key_rules_test.cpp tests the values of single keys."""

import contextlib
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
import unicodedata

import edit_gguf

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
import common  # noqa: E402

APPORTION = os.environ["APPORTION_BIN"]
UNTRAINED = ("--method", "zero-shot", "--test_sets", "v2", "--rounds", "2")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
checks = 0


def run(*options, output="out"):
    command = [APPORTION, "run", "small.ini", "--output", output, "--shard_size", "1", "--recompute", "never", *options]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)


def check(truth, *shown):
    global checks
    checks += 1
    assert truth, "\n".join(str(part) for part in shown)


def refused(*words, options=UNTRAINED):
    """Expects exit code 2 and one line with these words."""
    ended = run(*options)
    said = ended.stderr.strip()
    check(ended.returncode == 2, words, ended.returncode, said, ended.stdout)
    check(said.startswith("apportion: ") and "\n" not in said, said)
    for word in words:
        check(word in said, word, said)


def taken(*options, output="out"):
    ended = run(*(options or UNTRAINED), output=output)
    check(ended.returncode == 0, options, ended.returncode, ended.stderr)
    return ended.stdout


@contextlib.contextmanager
def changed(name, data):
    """Gives the file other content inside the `with` block."""
    path = pathlib.Path(name)
    before = path.read_bytes()
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    yield
    path.write_bytes(before)


def model(change):
    """Applies `change` to the model's keys, tensors and data inside the `with` block."""
    file = edit_gguf.take_apart(pathlib.Path("model.gguf").read_bytes())
    change(file)
    return changed("model.gguf", edit_gguf.put_together(file))


def with_key(key, value):
    return model(lambda file: file["keys"].__setitem__(key, value))


def check_keys():
    whole = pathlib.Path("model.gguf").read_bytes()
    check(edit_gguf.put_together(edit_gguf.take_apart(whole)) == whole, "the file is not what it was")
    with with_key("llama.rope.scale_linear", edit_gguf.number(4)):
        refused("model.gguf, byte ", "llama.rope.scale_linear is 4, which is not supported; 1 is")
    with with_key("llama.logit_scale", edit_gguf.number(0.5)):
        refused("llama.logit_scale is 0.5")
    with with_key("split.count", edit_gguf.natural(3)):
        refused("model.gguf, byte ", "there is no metadata key split.no")
    with with_key("tokenizer.ggml.pre", edit_gguf.word("mpt")):
        refused("tokenizer.ggml.pre is mpt", "smollm, gpt-2, llama-bpe")
    with model(lambda file: file["keys"].pop("tokenizer.ggml.pre")):
        refused("no tokenizer.ggml.pre", "convert it again")


def check_tensors():
    def bias(file):
        offset = len(file["data"])
        file["tensors"]["blk.0.attn_q.bias"] = [[64], 0, offset]
        file["data"] += bytes(256)

    def not_a_number(file):
        dimensions, _, offset = file["tensors"]["blk.1.ffn_up.weight"]
        row = 3
        struct.pack_into("<f", file["data"], offset + 4 * (dimensions[0] * row + 5), float("nan"))

    with model(bias):
        refused("tensor blk.0.attn_q.bias", "biases are not supported")
    with model(lambda file: file["tensors"]["blk.0.attn_q.weight"].__setitem__(1, 16)):
        refused("tensor blk.0.attn_q.weight is of the type IQ2_XXS", "Q4_0", "Q6_K", "llama-quantize")
    with model(not_a_number):
        refused("model.gguf, byte ", "tensor blk.1.ffn_up.weight has a NaN or an infinity in row 3")
    whole = pathlib.Path("model.gguf").read_bytes()
    with changed("model.gguf", whole[: len(whole) - 4096]):
        refused("model.gguf, byte ", "reach beyond the file's end: is it complete?")


def check_a_cut_while_mapped():
    """The model file is cut short while training reads blocks from it."""
    command = [APPORTION, "run", "small.ini", "--output", "cut", "--base_place", "file", "--sft_steps", "1000000"]
    command += ["--shard_size", "1", "--recompute", "never", "--checkpoint_steps", "1"]
    with changed("model.gguf", pathlib.Path("model.gguf").read_bytes()):
        job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        end = time.monotonic() + 60
        while not list(pathlib.Path("cut").glob("tasks/*/checkpoint/*")) and job.poll() is None:
            assert time.monotonic() < end, "no training step in a minute"
            time.sleep(0.05)
        os.truncate("model.gguf", 16384)
        said = job.communicate(timeout=60)[1].strip()
    check(job.returncode == 2, job.returncode, said)
    check(said.count("apportion: ") == 1 and "model.gguf" in said and "became shorter while it was read" in said, said)


def targets(*rows, mark=","):
    return "".join(row.replace(",", mark) + "\n" for row in ("subject,red,blue,@thing", *rows))


def check_names():
    with changed("colours/targets.csv", targets("caf\u00e9,1,3,ball", "cafe\u0301,2,2,cube")):
        refused("colours/targets.csv, line 3", "is there already")
    with changed("colours/targets.csv", targets("ball,1,3,ball", "\u200bball,2,2,cube")):
        refused("colours/targets.csv, line 3", "is there already")
    templates = pathlib.Path("colours/templates.txt").read_text()
    with changed("colours/templates.txt", templates.replace("0 = red", "0 = \u200b")):
        refused("colours/templates.txt, line 2", "an empty name")
    with changed("colours/templates.txt", templates.replace("0 = red", "0 = \u00a0dark\u00a0red\u200b")):
        with changed("colours/targets.csv", targets("a\u00a0ball,1,3,ball").replace("red", "dark red\u00a0")):
            taken(output="clean")
    (cell,) = json.loads(subprocess.run([APPORTION, "report", "clean", "--json"], capture_output=True, check=True).stdout)["cells"]
    shown = json.dumps(cell, ensure_ascii=False)
    check("dark red" in shown and "a ball" in shown and "\u00a0" not in shown and "\u200b" not in shown, shown)


def check_separators():
    rows = ("ball,1,3,ball", "cube,2,2,cube")
    with changed("colours/targets.csv", targets(*rows)):
        taken(output="marks")
    before = [(file, file.stat().st_ino) for file in sorted(pathlib.Path("marks/tasks").rglob("*.h5"))]
    for mark, first in ((";", ""), ("\t", ""), ("|", "sep=|\r\n")):
        with changed("colours/targets.csv", first + targets(*rows, mark=mark)):
            taken(output="marks")
        after = [(file, file.stat().st_ino) for file in sorted(pathlib.Path("marks/tasks").rglob("*.h5"))]
        check(before and after == before, "another dataset with", repr(mark))


def columns(line):
    """How many terminal columns a line takes, for the characters in this test's table."""
    marks = {"\u200d", "\ufe0f"}
    seen = line.replace("\u200d\u2695\ufe0f", "")  # joined to the character before
    return sum(0 if c in marks or unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in seen)


def check_scripts_without_blanks():
    dataset = {
        "colours/targets.csv": "subject,赤,青,@thing\n看護師,1,3,球\n\U0001f469\u200d\u2695\ufe0f 医,2,2,箱\ne\u0301te\u0301,1,1,輪\nring,5,1,輪\n",
        "colours/templates.txt": "[categories]\n0 = 赤\n1 = 青\n[answers]\nこの{thing}は{category}です。\n"
        "[train]\n{thing}の色は?\n{thing}は何色?\n{thing}について。\n[v2]\n{thing}を一言で。\n",
    }
    with contextlib.ExitStack() as files:
        for name, content in dataset.items():
            files.enter_context(changed(name, content))
        report = taken(*UNTRAINED, output="words")
    rows = [line for line in report.splitlines() if any(name in line for name in ("看護師", "医", "\u00e9t\u00e9", "ring"))]
    check(len(rows) >= 4, report)
    check(len({columns(row) for row in rows[:4]}) == 1, "\n".join(rows))


def check_lengths():
    long = "Which colour " + "or hue " * 400 + "has {a_thing}?"
    templates = pathlib.Path("colours/templates.txt").read_text()
    pathlib.Path("keep.txt").write_text("[knowledge]\nWhat is red?\n" + "What is a cat? " * 60 + "\n")
    with changed("colours/templates.txt", templates + long + "\n"):
        refused("colours/templates.txt, line ", 'about "ball"', "max_answer_tokens", "context of 512", options=("--sft_steps", "1"))
    with changed("colours/templates.txt", templates.replace("[v2]", long + "\n[v2]")):
        refused("colours/templates.txt, line ", "context of 512", options=("--holdout_wordings", "0", "--test_sets", "v2"))
    refused("keep.txt, line 3", "retain_tokens", options=("--retain_weight", "1", "--keep_train", "keep.txt"))
    refused("keep.txt, line 3", "retain_tokens", options=("--retention", "--keep_test", "keep.txt"))
    check(not list(pathlib.Path("out").rglob("*.h5")), "something ran before a prompt was found to be too long")


def check_adapters():
    once = ("--method", "sft", "--test_sets", "v2", "--rounds", "2", "--sft_steps", "1")

    def adapter(output):
        taken(*once, output=output)
        (folder,) = pathlib.Path(output).glob("tasks/*/adapter")
        return json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"], (folder / "README.md").read_text()

    base, card = adapter("local")
    check(base.endswith("/model.gguf") and "does not give its name" in card and "base_model:" not in card, base, card)
    with with_key("general.source.url", edit_gguf.word("https://huggingface.co/org/Tiny-1M")):
        base, card = adapter("hub")
    check(base == "org/Tiny-1M" and 'base_model: "org/Tiny-1M"\n' in card, base, card)


def main():
    with tempfile.TemporaryDirectory() as folder:
        common.write_small_job(folder)
        os.chdir(folder)
        check_keys()
        check_tensors()
        check_names()
        check_lengths()
        check_separators()
        check_scripts_without_blanks()
        check_adapters()
        check_a_cut_while_mapped()
    print(f"{checks} checks passed")


if __name__ == "__main__":
    main()
