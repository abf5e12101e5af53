"""`steering = auto` with tokenizers that join digits, letters or words to the line break before them. The next kind then
stands for the categories; the whole small job runs with it, learns, and has the ids and bytes of a job that named that kind.
With SmolLM2's tokens auto means digits, letters for more than ten categories, and words for more than 26. If no kind fits,
the error says what was tried."""

import itertools
import json
import os
import pathlib
import string
import subprocess
import tempfile

import families_job_test
import h5py
import tiny_models
from families_job_test import common
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

BREAK = "Ċ"  # a line break in GPT-2's characters for bytes
MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WORDS = ["Name", "Type"]
SHAPE = "shape:layers=1,width=32,heads=2,kv_heads=1,ffn=48,vocabulary=49152,context=512"
KEYS = [f"--{key}={value}" for key, value in families_job_test.KEYS.items()]
LEARNING = families_job_test.KEYS | {"sft_steps": 20, "sft_learning_rate": 0.01, "batch_prompts": 4, "micro_batches": 2}


def write_tokenizer(folder, joined):
    """A byte-level tokenizer in which a line break plus a character of `joined` is one token; merges also make each of WORDS
    a token."""
    steps = [[word[:i], word[i]] for word in WORDS for i in range(1, len(word))]
    merges = [[BREAK, character] for character in joined] + steps
    tokens = [*MARKS, *sorted(pre_tokenizers.ByteLevel.alphabet()), *dict.fromkeys("".join(merge) for merge in merges)]
    assert len(tokens) <= tiny_models.VOCABULARY
    shell = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[tuple(merge) for merge in merges]))
    shell.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    shell.decoder = decoders.ByteLevel()
    shell.add_special_tokens(MARKS)
    shell.save(os.path.join(folder, "tokenizer.json"))


def stored(folder):
    """What results say about steering, in the configuration and in the identity of what was trained."""
    found = {"config": set(), "identity": set()}
    for path in pathlib.Path(folder).glob("tasks/*/result.h5"):
        with h5py.File(path) as file:
            found["config"].add(file["config"].attrs["steering"])
            found["identity"].add(json.loads(file.attrs["identity"])["options"].get("steering"))
    return found


def learns(folder):
    """Stage 1's KL between the target and the steering tokens falls."""
    for path in pathlib.Path(folder).glob("tasks/*/result.h5"):
        with h5py.File(path) as file:
            if file.attrs["label"] == "stage 1":
                kl = file["log/kl"][:]
    assert sum(kl[-4:]) < 0.7 * sum(kl[:4]), kl


def steers(folder):
    """The trained model's answers begin with the steering tokens far more often than before."""
    mass = {}
    for path in pathlib.Path(folder).glob("tasks/*/result.h5"):
        with h5py.File(path) as file:
            if "exact/steering" in file:
                mass[file.attrs["label"]] = file["exact/steering"][:].sum(axis=-1).mean()
    (before,) = [value for label, value in mass.items() if label.startswith("before")]
    (after,) = [value for label, value in mass.items() if label.startswith("after")]
    print(f"{folder}: {before:.4f} before, {after:.4f} after on the steering tokens")
    assert after > 5 * before, mass


def choice(work, name, joined, kind, texts):
    """auto chooses `kind`, and naming that kind gives the same bytes, on one rank and on two."""
    model = work / name
    tiny_models.make(str(model), "llama")
    write_tokenizer(model, joined)
    words = ["run", "small.ini", f"--model={name}", *(f"--{key}={value}" for key, value in LEARNING.items())]
    done = common.call(*words, "--steering=auto", f"--output={name}-auto", "--quiet=false", cwd=work)
    assert f"steering = {kind} (auto): {', '.join(texts)} stand for the categories; of the digits 0, 1 are not" in done.stderr, done.stderr
    auto = common.contents(work / f"{name}-auto")
    common.call(*words, f"--steering={kind}", f"--output={name}-typed", cwd=work)
    common.call(*words, "--steering=auto", f"--output={name}-two", cwd=work, ranks=2)
    assert len(auto) >= 4 and auto == common.contents(work / f"{name}-typed") == common.contents(work / f"{name}-two")
    assert stored(work / f"{name}-auto") == {"config": {kind}, "identity": {kind}}, stored(work / f"{name}-auto")
    learns(work / f"{name}-auto")
    steers(work / f"{name}-auto")
    said = common.call(*words, "--steering=digit", f"--output={name}-digit", code=2, cwd=work).stderr
    right = f"{kind}s ({', '.join(texts)}) are: use steering = {kind}, or auto, which takes what fits"
    assert said == f"apportion: steering = digit: 0, 1 are not one token each where this model's answers begin; {right}\n", said
    assert not (work / f"{name}-digit").exists() or not list((work / f"{name}-digit").glob("tasks/*/result.h5"))
    said = common.call(*words, "--method=zero-shot", "--steering=digit", f"--output={name}-asked", code=2, cwd=work).stderr
    assert right in said and said.count("\n") == 1, said
    return common.call("inspect", model).stdout


def nothing_fits(work):
    model = work / "nothing"
    tiny_models.make(str(model), "llama")
    write_tokenizer(model, string.digits + string.ascii_uppercase)
    said = common.call("run", "small.ini", f"--model={model}", "--steering=auto", "--output=nothing-auto", code=2, cwd=work).stderr
    tried = "of the digits 0, 1 are not, of the letters A, B are not, of the words Name, Type are not"
    assert said.startswith("apportion: steering = auto finds nothing for 2 categories") and tried in said, said
    assert said.endswith("use steering = path, which needs none\n") and said.count("\n") == 1, said
    said = common.call("run", "small.ini", f"--model={model}", "--output=nothing-digit", code=2, cwd=work).stderr
    assert said.endswith("nor are other digits, letters or words: use steering = path, which needs none\n"), said
    described = common.call("inspect", model).stdout
    assert "none of 0 to 9; none of A to Z; none of Name to Node\n" in described, described
    assert "steering = auto takes nothing: use path" in described, described


def write_dataset(work, name, categories):
    os.makedirs(work / name)
    numbered = "".join(f"{i} = {category}\n" for i, category in enumerate(categories))
    (work / name / "templates.txt").write_text(
        f"[categories]\n{numbered}[answers]\n{{category}}\n[train]\nWhich has {{a_thing}}?\nThe {{thing}}: which?\n[v2]\n{{thing}}, then:\n"
    )
    header = "subject," + ",".join(categories) + ",@thing\n"
    (work / name / "targets.csv").write_text(header + "".join(f"{thing},{','.join('1' * len(categories))},{thing}\n" for thing in ("ball", "cube")))


def many_categories(work):
    """With SmolLM2's tokens: digits for two categories, letters for twelve, words for thirty; these words are not the
    categories' names."""
    names = ["c" + "".join(pair) for pair in itertools.product("klmnpqr", repeat=2)]
    words = ["run", "small.ini", f"--model={SHAPE}", *KEYS, "--holdout_wordings=0", "--max_answer_tokens=4"]
    for count, kind in [(2, "digit"), (12, "letter"), (30, "word")]:
        write_dataset(work, f"of{count}", names[:count])
        for steering, folder in [("auto", f"of{count}-auto"), (kind, f"of{count}-typed")]:
            common.call(*words, f"--dataset=of{count}", f"--steering={steering}", f"--output={folder}", cwd=work)
        auto = common.contents(work / f"of{count}-auto")
        assert len(auto) >= 4 and auto == common.contents(work / f"of{count}-typed"), count
        assert stored(work / f"of{count}-auto") == {"config": {kind}, "identity": {kind}}
    write_dataset(work, "of41", names[:41])
    said = common.call(*words, "--dataset=of41", "--steering=auto", "--output=of41", code=2, cwd=work).stderr
    assert "there are 10 digits, there are 26 letters, there are 40 words; use steering = path" in said, said
    write_dataset(work, "named", [*names[:28], "Value"])
    said = common.call(*words, "--dataset=named", "--steering=word", "--output=named", code=2, cwd=work).stderr
    assert "has a category called Value, which steering = word lets stand for ckm; use another steering" in said, said
    said = common.call(*words, "--dataset=named", "--steering=auto", "--output=named", code=2, cwd=work).stderr
    assert "there are 26 letters, of the words one is a category's name" in said, said


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        common.write_small_job(work)
        described = choice(work, "no-digits", string.digits, "letter", ["A", "B"])
        assert "none of 0 to 9; A to Z; Name Type alone of Name to Node\n" in described, described
        assert "steering = auto takes letter for up to 26 categories\n" in described, described
        described = choice(work, "no-letters", string.digits + "ABC", "word", ["Name", "Type"])
        assert "DEFGHIJKLMNOPQRSTUVWXYZ alone of A to Z" in described, described
        assert "steering = auto takes word for up to 2 categories\n" in described, described
        nothing_fits(work)
        many_categories(work)
        described = common.call("inspect", "smollm2").stdout
        assert "after the prompt: 0 to 9; A to Z; Name to Node\n" in described, described
        chosen = "digit for up to 10, letter up to 26, word up to 40 categories"
        assert f"steering = auto takes {chosen}\n" in described, described
        dumped = subprocess.run([common.APPORTION, "--dump-defaults"], check=True, capture_output=True, text=True).stdout
        assert "steering = digit" in dumped, "a job that says nothing has digits"


if __name__ == "__main__":
    main()
