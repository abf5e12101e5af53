"""A sweep as a user types it: a job file with [sweep], one command, one folder. A cell equals the same job run alone,
stage 1 is shared, on one rank or two; the report has a line for each cell; mistakes give one line before anything runs."""

import contextlib
import json
import os
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common  # noqa: E402

ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1")
SHORT = "sft_steps = 2\ncalibrate_steps = 2\nsubjects = 2\ntest_sets = v2\nexact_nodes = 4\n"
SWEEP = "[sweep]\ntarget = real, 0.9/0.1\nmethod = full, kl-only\nseed = 0..1\nexclude = method = kl-only, seed = 1\n"
NAMES = [f"target={target}, method={method}, seed={seed}" for target in ("real", "0.9/0.1") for method, seed in (("full", 0), ("full", 1), ("kl-only", 0))]


def call(*words, code=0, ranks=1):
    return common.call(*words, code=code, ranks=ranks, environment=ENVIRONMENT)


def cells_of(folder):
    return {cell["cell"]: cell for cell in json.loads(call("report", folder, "--json").stdout)["cells"]}


def figures(cell):
    """Everything that a cell measured except seconds, whatever folder it is in."""
    return cell["measures"], [{key: value for key, value in stage.items() if key != "seconds"} for stage in cell["training"]]


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def planned(*words):
    return json.loads(call("plan", "sweep.ini", "--output", "swept", "--json", *words).stdout)


def sorts_of(plan):
    return {sort["label"]: (sort["tasks"], sort["done"]) for sort in plan["sorts"]}


def what_is_to_be_done_is_planned():
    plan = planned()
    assert not os.path.exists("swept"), "a plan writes nothing"
    # The untouched model at 2 seeds, stage 1 at 2 targets by 2 seeds, and the rest for each of the 6 cells.
    assert sorts_of(plan) == {"before, v2": (2, 0), "stage 1": (4, 0), "stage 2": (6, 0), "after, v2": (6, 0)}, plan
    assert (plan["cells"], plan["tasks"], plan["unshared_tasks"], plan["done"]) == (6, 18, 24, 0), plan
    assert plan["fits"] and plan["needed_bytes"] > 1e6
    lefts = [sort["rank_seconds_left"] for sort in plan["sorts"]]
    assert all(left > 0 for left in lefts) and abs(sum(lefts) - plan["rank_seconds_left"]) < 1e-9, plan
    chain = sum(left / sort["tasks"] for left, sort in zip(lefts, plan["sorts"]) if sort["label"] != "before, v2")
    # A cell's stages and the measurement after them wait for each other: the longest cell takes the mean or more.
    assert chain * (1 - 1e-9) < plan["longest_seconds"] < 1.5 * chain, plan


def what_is_done_tells_how_long_the_rest_takes():
    plan = planned()
    assert (plan["finished_cells"], plan["done"], plan["rank_seconds_left"]) == (6, 18, 0), plan
    more = planned("--sweep", "seed=0..2")
    assert sorts_of(more) == {"before, v2": (3, 2), "stage 1": (6, 4), "stage 2": (12, 6), "after, v2": (12, 6)}, more
    for sort in more["sorts"]:
        assert sort["measured"] == sort["done"], sort
        # In stage 2 kl-only costs a little less, and makes up more of what is left.
        as_before = sort["measured_rank_seconds"] / sort["done"] * (sort["tasks"] - sort["done"])
        assert abs(sort["rank_seconds_left"] - as_before) < 0.05 * as_before, sort
    page = call("plan", "sweep.ini", "--output", "swept", "--sweep", "seed=0..2").stdout
    assert "sweep: 12 cells, 33 tasks (48 if run as separate jobs); done in swept: 6 cells, 18 tasks" in page, page
    assert "rank-hours left" in page and "as 4 tasks here took" in page, page
    assert planned("--ranks", "2")["ranks"] == 2
    said = call("plan", "plain.ini", "--ranks", "2", code=2).stderr
    assert said.count("\n") == 1 and "plan_ranks" in said, said
    wrong = call("plan", "sweep.ini", "--sweep", "target=0.2/0.3/0.5", code=2).stderr
    assert wrong.count("\n") == 1 and "cell target=0.2/0.3/0.5" in wrong and "has 3 shares" in wrong, wrong


def the_sweep():
    said = call("run", "sweep.ini", "--output", "swept", "--quiet=false")
    assert "6 cells, 18 tasks\n" in said.stderr, said.stderr
    for name in NAMES:
        assert f"stage 2 ({name}) done" in said.stderr, said.stderr
    assert said.stdout.count("6 cells") == 1 and "exact error" in said.stdout, said.stdout
    cells = cells_of("swept")
    assert sorted(cells) == sorted(name.replace("/", ":") for name in NAMES), list(cells)
    assert cells[NAMES[0]]["swept"] == {"target": "real", "method": "full", "seed": "0"}
    # The untouched model at 2 seeds; for each target stage 1 at 2 seeds, and stage 2 and its measurement for each of 3 cells.
    assert len(os.listdir("swept/tasks")) == 2 + 2 * (2 + 3 + 3), "stage 1 and the untouched model are shared"
    assert cells[NAMES[0]]["measures"][0]["task"] == cells[NAMES[3].replace("/", ":")]["measures"][0]["task"]
    for name in (NAMES[0], NAMES[1], NAMES[5]):
        words = [f"--{value}" for value in name.split(", ")]
        call("run", "plain.ini", "--output", f"alone-{NAMES.index(name)}", *words)
        (alone,) = cells_of(f"alone-{NAMES.index(name)}").values()
        assert figures(alone) == figures(cells[name.replace("/", ":")]), name
    call("run", "sweep.ini", "--output", "of-two", ranks=2)
    assert common.contents("of-two") == common.contents("swept"), "the same bytes on two ranks"


def the_report():
    rows = [line.split() for line in call("report", "swept").stdout.splitlines()]
    swept = [row[:3] for row in rows if row and row[0] in ("real", "0.9/0.1")]
    assert sorted(swept) == sorted([part.partition("=")[2] for part in name.split(", ")] for name in NAMES), rows
    name = NAMES[0]
    assert "colours" in call("report", "swept", "--cell", name).stdout
    assert "Male" not in call("report", "swept", "--cell", name).stdout
    (only,) = json.loads(call("report", "swept", "--json", "--cell", name).stdout)["cells"]
    assert only == cells_of("swept")[name]
    (other,) = json.loads(call("report", "swept", "--json", "--cell", NAMES[5]).stdout)["cells"]
    assert other["swept"]["target"] == "0.9/0.1" and other["target"] == "0.9/0.1"
    by = json.loads(call("report", "swept", "--by", "target,method", "--json").stdout)
    assert [list(row["values"].values()) for row in by["rows"]] == [[t, m] for t in ("real", "0.9/0.1") for m in ("full", "kl-only")], "as the job file has them"
    assert [row["cells"] for row in by["rows"]] == [2, 1, 2, 1], by
    said = call("report", "swept", "--cell", "target=rael", code=2).stderr
    assert said.count("apportion: ") == 1 and "has no cell 'target=rael'; did you mean" in said, said


def again_and_more():
    """The same command redoes nothing; a longer list runs what is missing and keeps the rest."""
    before = {task: os.stat(f"swept/tasks/{task}/result.h5").st_mtime_ns for task in os.listdir("swept/tasks")}
    call("run", "sweep.ini", "--output", "swept")
    after = {task: os.stat(f"swept/tasks/{task}/result.h5").st_mtime_ns for task in os.listdir("swept/tasks")}
    assert after == before
    call("run", "sweep.ini", "--output", "swept", "--sweep", "target=real, 0.9/0.1, even")
    assert len(cells_of("swept")) == 9
    for task, when in before.items():
        assert os.stat(f"swept/tasks/{task}/result.h5").st_mtime_ns == when
    call("run", "plain.ini", "--output", "typed", "--sweep", "seed=0..1", "--sweep", "lora-rank=2,4", "--sweep", "zip=seed, lora_rank")
    assert sorted(cells_of("typed")) == ["seed=0, lora_rank=2", "seed=1, lora_rank=4"]


def forced():
    """A result that cells share is made only once with --force, too."""
    call("run", "plain.ini", "--output", "typed", "--force", "--quiet=false", "--sweep", "method=full,kl-only")
    said = call("run", "plain.ini", "--output", "typed", "--force", "--quiet=false", "--sweep", "method=full,kl-only").stderr
    done = [said.count(f"{stage} (method={method}) done") for stage in ("stage 1", "stage 2") for method in ("full", "kl-only")]
    assert done == [1, 0, 1, 1], said


def a_failing_cell():
    """Cells whose stage 1 cannot be saved are named and the others are done; once it can, only what is missing is run."""
    failing = cells_of("swept")[NAMES[3].replace("/", ":")]["training"][0]["task"]
    for ranks in (1, 2):
        folder = f"failing-{ranks}"
        os.makedirs(f"{folder}/tasks/{failing}")
        write(f"{folder}/tasks/{failing}/adapter", "in the way")
        said = call("run", "sweep.ini", "--output", folder, "--group_size", "1", ranks=ranks, code=2).stderr
        assert f"warning: stage 1 ({NAMES[3]}) failed: " in said and f"{failing}/adapter" in said, said
        assert f"apportion: 2 cells failed, the others are done: {NAMES[3]}; {NAMES[5]}: " in said, said
        assert sorted(cells_of(folder)) == sorted(name.replace("/", ":") for name in NAMES if name not in (NAMES[3], NAMES[5]))
        assert not os.path.exists(f"{folder}/tasks/{failing}/result.h5")
        os.remove(f"{folder}/tasks/{failing}/adapter")
        call("run", "sweep.ini", "--output", folder)
        assert common.contents(folder) == common.contents("swept")


def without_the_index():
    """Each recovered cell has the untouched model of its own seed, with the target that it was trained for."""
    expected = {cell["training"][-1]["task"]: cell["measures"] for cell in cells_of("swept").values()}
    os.remove("swept/index.h5")
    found = cells_of("swept")
    assert len(found) == len(expected) == 9, list(found)
    for cell in found.values():
        assert cell["measures"] == expected[cell["training"][-1]["task"]], cell["cell"]


def several_jobs():
    """A folder of several jobs: lines can be told apart, and no cell is taken for another."""
    with open("plain.ini") as file:
        write("other.ini", file.read())
    for job in ("plain.ini", "other.ini"):
        call("run", job, "--output", "several", "--sweep", "target=even,real", "--sweep", "method=zero-shot")
    call("run", "plain.ini", "--output", "several", "--method", "zero-shot")
    shown = call("report", "several").stdout
    assert "5 cells" in shown and "colours-zero-shot" in shown and "other" in shown, shown
    said = call("report", "several", "--cell", "target=even, method=zero-shot", code=2).stderr
    assert "of 2 jobs; give one of 'other/target=even, method=zero-shot', 'plain/target" in said, said
    (cell,) = json.loads(call("report", "several", "--json", "--cell", "other/target=even, method=zero-shot").stdout)["cells"]
    assert cell["job"] == "other" and cell["measures"][0]["subjects"][0]["target"] == [0.5, 0.5]


def mistakes():
    for words, expected in (
        (["run", "sweep.ini", "--seed", "1"], "--seed is swept (sweep.ini, line "),
        (["run", "plain.ini", "--sweep", "seed"], "--sweep needs KEY=LIST"),
        (["run", "plain.ini", "--sweep", "seed=1,1"], "command line: the value '1' appears twice"),
        (["run", "plain.ini", "--sweep", "seed=0, x"], "command line: seed = 'x' must be an integer"),
        (["run", "plain.ini", "--sweep", "target=real, 0.2/0.3/0.5"], "has 3 shares"),
        (["run", "plain.ini", "--sweep", "method=full,zero-shot", "--test_sets", "heldout"], "cell method=zero-shot: method zero-shot has nothing to measure"),
        (["run", "plain.ini", "--sweep", "seed=1", "--sweep", "seed=2"], "--sweep seed is given twice"),
        (["plan", "--sweep", "seed=0"], "--sweep needs the job that is swept"),
        (["scale", "sweep.ini"], "a sweep belongs to 'apportion run'"),
        (["report", "swept", "--sweep", "seed=0"], "a sweep belongs to 'apportion run'"),
        (["run", "plain.ini", "--cell", "a"], "--cell belongs to 'apportion report DIR'"),
        (["run", "plain.ini", "--fail-if", "error > 1"], "--fail-if belongs to 'apportion report DIR'"),
    ):
        said = call(*words, *(["--output", "none"] if words[0] == "run" else []), code=2).stderr
        assert said.count("apportion: ") == 1 and expected in said, (words, said)
        assert not os.path.exists("none/tasks"), "nothing runs where one cell is wrong"
    printed = call("run", "sweep.ini", "--print-config").stdout
    assert printed.count("# ---- cell ") == 6 and printed.count("\ntarget = 0.9/0.1\n") == 3, printed


def main():
    with tempfile.TemporaryDirectory(prefix="apportion_system.") as folder, contextlib.chdir(folder):
        common.write_small_job(os.getcwd())
        with open("small.ini") as file:
            kept = [line for line in file if line.partition("=")[0].strip() not in SHORT]
        write("plain.ini", "".join(kept) + SHORT)
        write("sweep.ini", "".join(kept) + SHORT + SWEEP)
        checks = (what_is_to_be_done_is_planned, the_sweep, what_is_done_tells_how_long_the_rest_takes, the_report, a_failing_cell)
        for check in (*checks, again_and_more, without_the_index, forced, several_jobs, mistakes):
            check()


if __name__ == "__main__":
    main()
