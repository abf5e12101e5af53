"""Runs the program with every named value of every option, on a model that takes a second, and checks the results.
`apportion --dump-options-markdown` lists the values; one that no case here uses fails the test. A key outside the
identity must leave the bytes unchanged; a key inside it must change them. Then come datasets that the choice of a layout
once refused: more than ten categories, joint categories, and a single wording."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common  # noqa: E402

SOURCE = os.environ["APPORTION_SOURCE"]
ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1")
MONTHS = "January February March April May June July August September October November December".split()
SHORT = {"method": "sft", "test_sets": "v2", "sft_steps": 2, "calibrate_steps": 2, "subjects": 2, "rounds": 5, "exact_nodes": 4}

LONG = "APPORTION_LONG" in os.environ

named = set()  # each (key, value) that some case has used


def words_of(settings):
    for key, value in settings.items():
        for name in str(value).split(","):
            named.add((key, name))
    return [f"--{key}={value}" for key, value in settings.items()]


def call(*words, code=0, ranks=1):
    return common.call(*words, code=code, ranks=ranks, environment=ENVIRONMENT)


class Result:
    """A finished run: its tasks and its output."""

    def __init__(self, folder, printed):
        self.printed, self.folder, self.tasks = printed, folder, {}
        for task in sorted(os.listdir(f"{folder}/tasks")):
            attributes = [word for name in ("kind", "label", "identity", "content", "config") for word in ("-a", f"/{name}")]
            text = subprocess.run(["h5dump", *attributes, f"{folder}/tasks/{task}/result.h5"], capture_output=True, text=True, check=True)
            values = re.findall(r'ATTRIBUTE "(\w+)".*?\(0\): "(.*?)"\n', text.stdout, re.S)
            self.tasks[task] = {name: value.replace('\\"', '"') for name, value in values}

    def kinds(self):
        return sorted(task["kind"] for task in self.tasks.values())

    def contents(self, *kinds):
        return {id: task["content"] for id, task in self.tasks.items() if not kinds or task["kind"] in kinds}

    def identities(self, kind):
        return [json.loads(task["identity"]) for task in self.tasks.values() if task["kind"] == kind]

    def report(self):
        (cell,) = json.loads(call("report", self.folder, "--json").stdout)["cells"]
        return cell["measures"]

    def log(self, name):
        """A column of stage 1's log, by step."""
        (task,) = self.contents("sft")
        text = subprocess.run(["h5dump", "-y", "-w", "1", "-d", f"/log/{name}", f"{self.folder}/tasks/{task}/result.h5"], capture_output=True, text=True, check=True)
        return [float(value) for value in re.findall(r"^\s+([-\d.e]+),?$", text.stdout, re.M)]

    def files(self, name):
        return [path for path, _, names in os.walk(self.folder) if name in names for path in [os.path.join(path, name)]]


runs = 0


def run(settings, ranks=1, short=SHORT, code=0):
    global runs
    runs += 1
    words = words_of(short | settings)
    done = call("run", "small.ini", "--output", f"run{runs}", *words, code=code, ranks=ranks)
    return Result(f"run{runs}", done) if code == 0 else done.stderr.strip()


def methods():
    """What each method trains, and how it asks."""
    expected = {
        "zero-shot": ([], None),
        "prompted": ([], "with_target"),
        "oracle-draw": ([], "with_category"),
        "verbalized": ([], "for_probabilities"),
        "ift": ([("plain", ["sft"])], None),
        "dpo": ([("plain", ["sft"]), ("plain", ["dpo"])], None),
        "sft": ([("steered", ["sft"])], None),
        "kl-only": ([("steered", ["sft"]), ("steered", ["steering_kl"])], None),
        "kto-only": ([("steered", ["sft"]), ("steered", ["kto"])], None),
        "full": ([("steered", ["sft"]), ("steered", ["steering_kl", "kto"])], None),
    }
    for method, (stages, asking) in expected.items():
        result = run({"method": method})
        trained = result.identities("sft") + result.identities("calibrate")
        assert sorted((task["answers"], task["losses"]) for task in trained) == sorted(stages), (method, trained)
        askings = {task.get("asking") for task in result.identities("measure")}
        assert asking in askings and askings <= {None, asking}, (method, askings)
        assert all(measure["rounds"] == 5 for measure in result.report()), method


def same_bytes(base):
    """Where and how the base is kept changes no byte, in one process and on two ranks."""
    for ranks, settings in (
        (1, {"resident": "auto", "recompute": "auto"}),
        (1, {"resident": "always", "recompute": "always", "base_place": "file"}),
        (2, {"resident": "never", "recompute": "always", "node_sharing": "ignored", "shard_size": 2}),
        (2, {"recompute": "never", "node_sharing": "used", "base_place": "memory", "shard_size": 2}),
    ):
        assert run(settings, ranks).contents() == base.contents(), settings


def other_bytes(base):
    """Keys in an identity: naming the default gives the same bytes; another value gives another adapter."""
    ordinary = {
        "frames": "auto", "adapter": "lora", "steering": "digit", "preset": "none", "answers": "dataset",
        "base_type": "compute", "schedule": "cosine", "kto_positions": "rest", "kto_pairs": "mismatched",
        "sft_weights": "split", "sft_optimizer": "muon", "measure_compute_type": "float32", "train_compute_type": "auto",
    }  # fmt: skip
    named_all = run(ordinary)
    assert named_all.contents() == base.contents(), "defaults that are named are others than those that are not"
    assert run({"steering": "auto"}).contents() == base.contents(), "digits are what auto finds"
    said = run({"steering": "word"}, code=2)
    assert "Name, Type are not one token each" in said and "digits (0, 1) are: use steering = digit, or auto" in said, said
    for settings in (
        {"frames": "none"},
        {"schedule": "constant"},
        {"sft_weights": "token_mean"},
        {"sft_weights": "sequence"},
        {"sft_optimizer": "adamw"},
        {"base_type": "int8"},
        {"base_type": "q4"},
    ):
        result = run(settings)
        assert not set(result.contents("sft").values()) & set(base.contents("sft").values()), settings
        assert len(result.files("adapter_model.safetensors")) == 1, settings
        ((key, value),) = settings.items()
        assert all(json.loads(task["config"])[key] == value for task in result.tasks.values()), settings
    coarse = run({"measure_compute_type": "bfloat16"})
    assert coarse.contents("sft") == base.contents("sft")
    assert not set(coarse.contents("measure").values()) & set(base.contents("measure").values())
    assert {task["compute_type"] for task in run({"train_compute_type": "bfloat16", "measure_compute_type": "auto"}).identities("sft")} == {"bfloat16"}
    # What auto means depends on the machine; the identity names what it was resolved to.
    (chosen,) = base.identities("sft")
    (asked,) = run({"train_compute_type": "float32"}).identities("sft")
    assert (asked == chosen) == (chosen["compute_type"] == "float32"), (asked, chosen)


def second_stage():
    short = SHORT | {"method": "full"}
    plain = run({}, short=short)
    for settings in ({"kto_positions": "all"}, {"kto_pairs": "rotated"}):
        result = run(settings, short=short)
        assert result.contents("sft") == plain.contents("sft"), "stage 1 has no KTO"
        assert not set(result.contents("calibrate").values()) & set(plain.contents("calibrate").values()), settings


def adapters():
    trained = run({"adapter": "none", "sft_optimizer": "adamw"})
    assert len(trained.files("model.safetensors")) == 1 and not trained.files("adapter_model.safetensors")
    for targets in ("q_proj,v_proj,gate_proj", "k_proj,o_proj,up_proj,down_proj"):
        (config,) = run({"lora_targets": targets}).files("adapter_config.json")
        with open(config) as text:
            assert sorted(json.load(text)["target_modules"]) == sorted(targets.split(","))
    for target in ("qkv_proj", "gate_up_proj"):  # layers of a phi3 block; families_job_test runs one
        said = run({"lora_targets": f"q_proj,{target}"}, code=2)
        assert f"lora_targets has {target}, which is not a layer of a llama model; those of q_proj, " in said, said
    for preset, alpha in (("authors", "16"), ("unheld", "256")):
        settings = {"preset": preset, "holdout_wordings": 1, "batch_prompts": 4} | SHORT
        words = words_of(settings | {"dataset": "colours", "model": "model.gguf"})
        printed = call("run", "preset.ini", "--print-config", *words).stdout
        assert re.search(rf"^lora_alpha = {alpha}\b", printed, re.M), printed
        assert re.search(r"^retain_weight = 0\b", printed, re.M), printed
        call("run", "preset.ini", "--output", f"preset-{preset}", *words)


def test_sets():
    result = run({"test_sets": "heldout,v2,v3,ood,train", "dataset": "more", "rounds": 3})
    assert {measure["test_set"] for measure in result.report()} == {"heldout", "v2", "v3", "ood", "train"}
    unknown = next(measure for measure in result.report() if measure["test_set"] == "ood")
    assert [subject["subject"] for subject in unknown["subjects"]] == ["lamp"]


def targets(base):
    """Report and training use the shares given by a key; a folder keeps a cell for each target."""
    assert run({"target": "real"}).contents() == base.contents(), "the dataset's own shares are the default"
    with open("paint.csv", "w") as table:
        table.write("subject,red,blue\nring,1,4\nball,1,0\ncube,3,2\n")
    given = {"even": [[0.5, 0.5]] * 2, "0.9/0.1": [[0.9, 0.1]] * 2, "mix 0.5": [[0.375, 0.625], [0.5, 0.5]], "paint.csv": [[1, 0], [0.6, 0.4]]}
    names = {"colours-sft"}
    for target, shares in given.items():
        names.add(f"colours[{target.replace('/', ':')}]-sft")
        words = words_of(SHORT | {"target": target})
        printed = call("run", "small.ini", "--output", "targets", *words).stdout
        assert f"colours · target {target} · sft" in printed or f"colours, target {target}, sft" in printed, printed
        cells = json.loads(call("report", "targets", "--json").stdout)["cells"]
        (cell,) = (cell for cell in cells if cell["target"] == target)
        for measure in cell["measures"]:
            assert [subject["target"] for subject in measure["subjects"]] == shares, (target, measure)
    call("run", "small.ini", "--output", "targets", *words_of(SHORT))
    cells = json.loads(call("report", "targets", "--json").stdout)["cells"]
    assert {cell["cell"] for cell in cells} == names, cells
    # The index is only a cache: without it each target's cell still has its own measures of the untouched model.
    os.remove("targets/index.h5")
    cells = json.loads(call("report", "targets", "--json").stdout)["cells"]
    assert len(cells) == len(names)
    for cell in cells:
        shares = [[subject["target"] for subject in measure["subjects"]] for measure in cell["measures"]]
        assert len(shares) == 2 and shares[0] == shares[1], cell
    for target, words in (("0.9/0.2", ["target = '0.9/0.2' must be", "add to 1"]), ("0.2/0.3/0.5", ["3 shares", "red, blue"])):
        said = run({"target": target}, code=2)
        assert said.count("apportion: ") == 1 and all(word in said for word in words), said
    with open("paint.csv", "a") as table:
        table.write("bell,1,1\n")
    said = run({"target": "paint.csv"}, code=2)
    assert said.count("apportion: ") == 1 and 'paint.csv, line 5: subject "bell"' in said, said


def own_stories():
    """The tiny model tells no stories, and the run says so; tests/system/judge_test.py trains on the real model's."""
    said = run({"answers": "self", "dataset": "more"}).printed.stderr
    assert "0 of 32 told a category unasked and are kept; where these were too few, 0 of 32 told" in said, said


def capacity():
    pages = {}
    for settings in (
        {"plan_scaling": "weak"}, {"plan_scaling": "strong"}, {"plan_tuning": "adapter"}, {"plan_tuning": "full"}
    ):  # fmt: skip
        pages[str(settings)] = call("plan", "--model=shape:350m", "--plan_ranks=8,16", *words_of(settings)).stdout
    weak, strong, adapter, full = pages.values()
    assert weak == adapter and len({weak, strong, full}) == 3
    lines = {}
    for scaling in ("weak", "strong", "both"):
        shape = "layers=1,width=32,heads=2,ffn=64,vocabulary=256"
        settings = {"scale_scaling": scaling, "scale_ranks": 1, "scale_steps": 1, "scale_tokens": 160, "scale_shapes": shape}
        lines[scaling] = call("scale", "small.ini", "--output", f"scale-{scaling}", "--scale_predict", *words_of(settings)).stdout
    assert "weak" in lines["both"] and "strong" in lines["both"]
    assert "strong" not in lines["weak"].replace("both", "") and "weak" not in lines["strong"], lines


def write_dataset(name, categories, rows, wordings, sections=""):
    os.makedirs(name)
    with open(f"{name}/templates.txt", "w") as text:
        numbered = "".join(f"{i} = {category}\n" for i, category in enumerate(categories))
        text.write(f"[categories]\n{numbered}[answers]\n{{category}}\nIt is {{category}}.\n[train]\n{wordings}{sections}")
    with open(f"{name}/targets.csv", "w") as table:
        table.write("subject," + ",".join(categories) + ",@thing\n" + "".join(rows))


def many_categories():
    """Twelve categories use letters or paths instead of digits; sixteen combine two attributes. Training moves towards
    their targets."""
    rows = [f"{thing},{','.join(str(1 + (i + shift) % 12) for i in range(12))},{thing}\n" for shift, thing in enumerate(("fair", "feast"))]
    write_dataset("months", MONTHS, rows, "Month of {a_thing}?\nWhen is the {thing}?\n", "[v2]\n{thing}, month:\n")
    joint = {"dataset": f"{SOURCE}/tests/support/hair-and-eyes", "max_answer_tokens": 8}
    for method in ("sft", "full") if LONG else ("full",):  # their first stage is the same task
        for settings in ({"dataset": "months", "steering": "letter"}, {"dataset": "months", "steering": "path"}):
            learning = {"method": method, "sft_steps": 30, "batch_prompts": 4, "micro_batches": 2, "holdout_wordings": 0}
            result = run(settings | learning)
            after = result.report()[-1]
            assert len(after["categories"]) == 12 == len(after["subjects"][0]["exact_low"])
            kl = result.log("kl")
            assert len(kl) == 30 and sum(kl[-5:]) < 0.85 * sum(kl[:5]), (settings, kl)
    twelve = {"dataset": "months", "holdout_wordings": 0, "sft_steps": 1}
    assert run(twelve | {"steering": "auto"}).contents() == run(twelve | {"steering": "letter"}).contents()
    said = run({"dataset": "months", "steering": "digit", "holdout_wordings": 0}, code=2)
    assert said.count("apportion: ") == 1 and "12 categories" in said and "letter" in said, said
    for steering in ("letter", "path"):
        settings = joint | {"steering": steering, "holdout_wordings": 0, "batch_prompts": 4}
        assert len(run(settings).report()[-1]["categories"]) == 16


def few_wordings():
    """One wording, and four with the default holdout: empty test sets are left out with a line, and something is still
    measured."""
    rows = ["ball,1,3,ball\n", "cube,2,2,cube\n"]
    four = "Paint of {a_thing}?\nWhich colour has the {thing}?\nSay how {a_thing} looks.\nThe {thing}: colour?\n"
    write_dataset("one", ["red", "blue"], rows, "Colour of {a_thing}?\n")
    write_dataset("four", ["red", "blue"], rows, four)
    settings = {"holdout_wordings": "auto", "test_sets": "heldout,v2"}
    one = run({"dataset": "one"} | settings)
    assert {measure["test_set"] for measure in one.report()} == {"train"}
    for line in ("test set heldout is left out: of 1 training wordings none is held out", "test set v2 is left out: one has no section [v2]", "training wordings are measured"):
        assert line in one.printed.stderr, one.printed.stderr
    four = run({"dataset": "four"} | settings)
    assert {(measure["test_set"], measure["wordings"]) for measure in four.report()} == {("heldout", 1)}
    assert "heldout" not in four.printed.stderr and "v2 is left out" in four.printed.stderr
    said = run({"dataset": "four", "test_sets": "v3"}, code=2)
    assert said.count("apportion: ") == 1 and "four has no section [v3]" in said, said


def schedules():
    """The rate of each step after one of warm-up, in units of the first one's."""
    for schedule, shares in (("constant", (1, 1, 1, 1)), ("cosine", (1, 1, 0.75, 0.25)), ("quadratic", (1, 1, 4 / 9, 1 / 9))):
        rates = run({"schedule": schedule, "sft_steps": 4}).log("lr")
        assert len(rates) == 4, (schedule, rates)
        assert all(abs(rate / rates[0] - share) < 1e-4 for rate, share in zip(rates, shares)), (schedule, rates)


def what_is_printed_is_what_runs():
    """A job file printed by --print-config has what model and dataset decide, and is the same job."""
    decided = ("holdout_wordings", "steering", "sft_steps", "sft_learning_rate", "calibrate_learning_rate")
    settings = SHORT | {key: "auto" for key in decided} | {"method": "full", "calibrate_steps": 1, "test_sets": "v2", "sft_optimizer": "muon", "dataset": "colours", "model": "model.gguf"}
    printed = call("run", "preset.ini", "--print-config", *words_of(settings)).stdout
    for key in decided:
        assert re.search(rf"^{key} = (?!auto)", printed, re.M), (key, printed)
    with open("printed.ini", "w") as file:
        file.write(printed)
    call("run", "preset.ini", "--output", "printed", *words_of(settings))
    ran = Result("printed", "").contents()
    call("run", "printed.ini", "--output", "printed")
    assert Result("printed", "").contents() == ran
    without = call("run", "preset.ini", "--print-config", "--dataset=colours", "--model=nowhere.gguf")
    assert re.fullmatch(r"apportion: warning: what is `auto` below was not decided: model \"nowhere.gguf\" .*\n", without.stderr), without.stderr
    assert re.search("^sft_steps = auto$", without.stdout, re.M), without.stdout


def what_would_not_run_is_not_printed():
    """Mistakes end --print-config as they end a run, and a sweep's cells are looked at one by one."""
    here = {"dataset": "colours", "model": "model.gguf"}
    dropped = call("run", "preset.ini", "--print-config", *words_of(here | {"test_sets": "v2,v3"}))
    assert dropped.stderr.count("test set v3 is left out") == 1 and "test_sets = v2\n" in dropped.stdout, dropped.stderr
    with open("model.gguf", "rb") as whole, open("cut.gguf", "wb") as cut:
        cut.write(whole.read(100))
    for wrong, why in (({"lora_targets": "q_proj,qkv_proj"}, "qkv_proj"), ({"test_sets": "v3"}, "has no section [v3]"), ({"model": "cut.gguf"}, "cut.gguf, byte ")):
        said = call("run", "preset.ini", "--print-config", *words_of(here | wrong), code=2)
        assert said.stdout == "" and said.stderr.count("apportion: ") == 1 and why in said.stderr, said
    three = call("run", "preset.ini", "--print-config", "--sweep=target=real,0.5/0.3/0.2", *words_of(here), code=2)
    assert three.stdout == "" and "cell target=0.5/0.3/0.2: " in three.stderr, three
    some = call("run", "preset.ini", "--print-config", "--sweep=model=nowhere.gguf,model.gguf", "--dataset=colours")
    assert some.stderr.count("was not decided") == 1 and len(re.findall("^sft_steps = auto$", some.stdout, re.M)) == 1, some.stderr
    lost = call("run", "preset.ini", "--print-config", "--dataset=colours", "--model=nowhere.gguf", "--adapter_in=anywhere", code=2)
    assert lost.stdout == "" and "nowhere.gguf" in lost.stderr, lost


def every_value_is_named():
    page = call("--dump-options-markdown").stdout
    allowed = set()
    for key, choices in re.findall(r"^\| `(\w+)` \| [^|]* \| (?:one of|a comma-separated list of) ([^|]+?) \|", page, re.M):
        for value in choices.removesuffix(", each at most once").split(", "):
            allowed.add((key, value))
    assert len(allowed) > 60, allowed
    missing = sorted(allowed - named)
    assert not missing, f"no case here names {missing}"


def prepare():
    common.write_small_job(os.getcwd())
    shutil.copytree("colours", "more")
    with open("more/templates.txt", "a") as text:
        text.write("[v3]\nTell a story about {a_thing}.\n[stories]\nA tale of {a_thing}. | A tale of {a_thing}, which is {category}.\n")
    with open("more/ood.csv", "w") as text:
        text.write("subject,red,blue,@thing\nlamp,1,1,lamp\n")
    with open("preset.ini", "w") as text:
        text.write("quiet = true\nretention = false\n")


def main():
    with tempfile.TemporaryDirectory(prefix="apportion_system.") as folder, contextlib.chdir(folder):
        prepare()
        base = run({"frames": "auto"})
        for check in (methods, second_stage, adapters, test_sets, own_stories, schedules, capacity, many_categories, few_wordings, what_is_printed_is_what_runs, what_would_not_run_is_not_printed):
            check()
        targets(base)
        same_bytes(base)
        other_bytes(base)
        every_value_is_named()
        print(f"{runs} runs, {len(named)} values")


if __name__ == "__main__":
    main()
