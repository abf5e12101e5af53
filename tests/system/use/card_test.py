"""The model card next to what a run has trained: front matter that the Hugging Face hub's own library reads, the numbers of
the JSON, the same bytes on any number of ranks and in any place. It changes no digest and does not affect verify, merge or
pack; a card that a person has edited stays."""

import contextlib
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import h5py
from huggingface_hub import ModelCard

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parents[1] / "inputs")]
import edit_gguf  # noqa: E402
from common import UNIT_TESTS, call, contents, write_small_job  # noqa: E402

QUICK = ("--test_sets", "v2")


def card_of(folder, stage, cell="colours-full", kind="adapter"):
    with h5py.File(f"{folder}/index.h5") as index:
        task = index[f"jobs/small/{cell}/training/{stage}"].attrs["task"]
    return pathlib.Path(f"{folder}/tasks/{task}/{kind}/README.md")


def cards(folder):
    """All cards by task, so that two folders can be compared."""
    return {path.split("/")[-3]: pathlib.Path(path).read_bytes() for path in glob.glob(f"{folder}/tasks/*/*/README.md")}


def says_what_json_says(folder):
    path = card_of(folder, "calibrate")
    card = ModelCard.load(path)
    assert card.data.library_name == "peft" and card.data.base_model is None and card.data.license is None, card.data
    assert card.data.tags == ["apportion", "lora"] and card.data.pipeline_tag == "text-generation", card.data
    (cell,) = json.loads(call("report", folder, "--json").stdout)["cells"]
    retention = cell["retention"]
    for group, name in (("unrelated", "unrelated prompts"), ("near", "near misses")):
        (row,) = re.findall(rf"^\| {name} \|.*$", card.text, re.MULTILINE)
        shown = row.strip("| ").split(" | ")
        assert shown[1] == str(retention[group]["prompts"]) and shown[-1] == f"{retention[group]['added_leak']:.4f}", (row, retention[group])
    digests = re.findall(r"\b[0-9a-f]{64}\b", card.text)
    training = {t["kind"]: t for t in cell["training"]}
    assert training["calibrate"]["adapter_digest"] in digests, digests
    assert "perplexity" in card.text and "calibrate_steps = 2\n" in card.text and "lora_rank = 4\n" in card.text
    assert "does not give its name on the hub" in card.text and "licence | its files name none" in card.text
    first = ModelCard.load(card_of(folder, "sft"))
    assert not first.data.eval_results and "stage 2 of the training starts from" in first.text
    assert training["sft"]["adapter_digest"] in first.text


def results_are_the_jsons():
    """On sample results, where everything is known: what the hub shows, and the table of subjects."""
    subprocess.run([UNIT_TESTS, "--gtest_filter=ModelCard.WritesASampleForPeers"], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"APPORTION_PEER_RESULTS": "sample"})
    card = ModelCard.load("sample/README.md")
    assert (card.data.base_model, card.data.license) == ("org/Base", "mit"), card.data
    cell = json.loads(call("report", "sample", "--json", "--cell", "gender-us-real-full").stdout)["cells"][0]
    (after,) = [m for m in cell["measures"] if (m["when"], m["test_set"]) == ("after", "v2")]
    found = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert found == {name: after[name] for name in ("exact_error", "worst_exact_error", "mae")}, (found, after)
    assert {(r.dataset_name, r.dataset_split) for r in card.data.eval_results} == {("gender-us-real", "v2")}
    for subject in after["subjects"]:
        (row,) = re.findall(rf"^\| {subject['subject']} \|.*$", card.text, re.MULTILINE)
        shown = row.strip("| ").split(" | ")
        values = [subject["target"][0], subject["observed"][0], subject["exact_error"], subject["mae"], subject["floor"], subject["p_value"]]
        assert [shown[1], *shown[3:]] == [f"{value:.3f}" for value in values], (row, subject)


def is_the_same_anywhere():
    """A card is the same on two ranks, with the model elsewhere, and in another folder; it does not mention the time either."""
    os.mkdir("elsewhere")
    shutil.copy("model.gguf", "elsewhere/model.gguf")
    call("run", "small.ini", "--output", "elsewhere/run", "--retention=true", "--model", "elsewhere/model.gguf", ranks=2)
    assert contents("elsewhere/run") == contents("run")
    assert len(cards("run")) == 2 and cards("elsewhere/run") == cards("run")
    here = os.getcwd()
    assert not any(here.encode() in card for card in cards("run").values())


def changes_nothing_else():
    assert call("verify", "run").stdout == "6 results, 0 damaged files or records\n"
    assert "nothing" in call("gc", "run", "--yes").stdout
    call("pack", "run", "pack.h5", "--adapters")
    assert ", 0 damaged" in call("verify", "pack.h5").stdout
    with h5py.File("pack.h5") as pack:
        packed = {task: pack[f"adapters/{task}/README.md"][:].tobytes() for task in pack["adapters"]}
    assert packed == cards("run")
    os.mkdir("merged")
    call("merge", "merged", "run")
    assert cards("merged") == cards("run") and "0 damaged" in call("verify", "merged").stdout


def stays_as_it_was_left():
    path, before = card_of("run", "calibrate"), cards("run")
    times = {p: os.stat(p).st_mtime_ns for p in glob.glob("run/tasks/*/*/README.md")}
    again = ("run", "small.ini", "--output", "run", "--retention=true")
    call(*again)
    assert {p: os.stat(p).st_mtime_ns for p in times} == times, "what has not changed is written again"
    lost = card_of("run", "sft")
    lost.unlink()
    path.write_text(path.read_text() + "Ours: ask for the other one.\n")
    call(*again)
    assert path.read_text().endswith("other one.\n"), "a person's words are lost"
    path.write_bytes(before[path.parts[-3]])
    assert cards("run") == before, "a card that was lost comes back"
    # Another method trains only stage 1, so its adapter is now measured; running the first job again keeps that in the card.
    call("run", "small.ini", "--output", "run", "--method", "sft", *QUICK)
    measured = card_of("run", "sft").read_text()
    assert "starts from" not in measured and "| after, v2 |" in measured, measured
    call(*again)
    assert card_of("run", "sft").read_text() == measured


def of_what_is_exported():
    call("export", "run", "--merged", "whole", "--adapter", "colours-full")
    card = ModelCard.load("whole/README.md")
    assert card.data.library_name == "transformers" and card.data.tags == ["apportion", "lora"]
    assert "| after, v2 |" in card.text and "PeftModel" not in card.text and 'model_path = "."' in card.text
    call("export", "run", "--merged", "whole.gguf", "--gguf", "f16", "--adapter", "colours-full")
    assert not os.path.exists("whole.gguf/README.md") and not os.path.exists("README.md")


def names_base_and_licence():
    whole = edit_gguf.take_apart(pathlib.Path("model.gguf").read_bytes())
    whole["keys"]["general.source.url"] = edit_gguf.word("https://huggingface.co/org/Tiny-1M")
    whole["keys"]["general.license"] = edit_gguf.word("apache-2.0")
    pathlib.Path("named.gguf").write_bytes(edit_gguf.put_together(whole))
    call("run", "small.ini", "--output", "all", "--model", "named.gguf", "--method", "sft", "--sft_steps", "1", "--adapter", "none",
         "--sft_optimizer", "adamw", *QUICK)  # fmt: skip
    card = ModelCard.load(card_of("all", "sft", "colours-sft", "weights"))
    assert (card.data.base_model, card.data.license, card.data.library_name) == ("org/Tiny-1M", "apache-2.0", "transformers"), card.data
    assert card.data.tags == ["apportion"] and "elsewhere was not measured" not in card.text
    assert "What training did to other questions was not measured" in card.text and "https://huggingface.co/org/Tiny-1M" in card.text


def a_card_that_cannot_be_written():
    """The results are there anyway, and one line says what is missing."""
    path = card_of("run", "calibrate")
    path.unlink()
    os.symlink("/nowhere/README.md", path)
    said = call("run", "small.ini", "--output", "run", "--retention=true").stderr
    assert re.search(r"^the card \S*README.md was not written: ", said, re.MULTILINE), said


def main():
    results_are_the_jsons()
    call("run", "small.ini", "--output", "run", "--retention=true")
    says_what_json_says("run")
    is_the_same_anywhere()
    changes_nothing_else()
    stays_as_it_was_left()
    of_what_is_exported()
    names_base_and_licence()
    a_card_that_cannot_be_written()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
        write_small_job(work)
        main()
