"""What users do with results folders: remove what no job names (gc), pack a folder into one file that h5py can read by
itself, and merge two folders that were computed separately."""

import contextlib
import glob
import hashlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import h5py

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common  # noqa: E402

APPORTION = os.environ["APPORTION_BIN"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")} | {"OMP_NUM_THREADS": "1"}
SHORT = "sft_steps = 4\ncalibrate_steps = 2\nsubjects = 2\ntest_sets = v2\nexact_nodes = 4\n"


def call(*words, code=0):
    done = common.call(*words, code=code, environment=ENVIRONMENT)
    assert code != 2 or done.stderr.count("\n") == 1, f"{words}: not one line\n{done.stderr}"
    return done


def on_a_terminal(*words, answer):
    """What the program prints on a terminal, where it can ask a question."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(APPORTION, [APPORTION, *words], ENVIRONMENT)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(terminal, 4096)
    os.write(terminal, answer.encode() + b"\n")
    with contextlib.suppress(OSError):  # Linux says so at the end
        while part := os.read(terminal, 4096):
            said += part
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0, said
    return said.decode()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def digests(folder, parts=("tasks", "replay", "reference", "plans")):
    """SHA-256 of each file by path, leaving out the records of the runs themselves."""
    paths = [path for part in parts for path in glob.glob(f"{folder}/{part}/**", recursive=True) if os.path.isfile(path)]
    return {os.path.relpath(path, folder): hashlib.sha256(open(path, "rb").read()).hexdigest() for path in paths}


def tasks(folder):
    return set(os.listdir(f"{folder}/tasks"))


def report(folder):
    return call("report", folder).stdout.replace(f" {folder} -", " FOLDER -")


def garbage_goes():
    """gc removes what belonged to a reduced sweep or a forgotten job, and no more."""
    call("run", "seeds.ini", "--output", "all")
    call("run", "other.ini", "--output", "all")
    assert "nothing to remove" in call("gc", "all").stdout
    both = tasks("all")
    call("run", "seeds.ini", "--output", "all", "--sweep", "seed=0")
    listed = json.loads(call("gc", "all", "--json").stdout)
    assert listed["items"] == [] and not listed["removed"], "cells of the index name what the plan no longer does"
    said = call("gc", "all", "seeds.ini", "other.ini").stdout
    assert "finished tasks" in said and "nothing is removed; --yes removes them" in said and tasks("all") == both, said
    assert "nothing is removed" in on_a_terminal("gc", "all", "seeds.ini", "other.ini", answer="n") and tasks("all") == both
    before = report("all")
    assert "removed:" in on_a_terminal("gc", "all", "seeds.ini", "other.ini", answer="y")
    assert tasks("all") < both
    after = report("all")
    assert "seed=1" in before and "seed=1" not in after and "seed=0" in after, after
    assert not os.path.exists("all/removed") and "0 damaged" in call("verify", "all").stdout
    # What is left equals a folder in which nothing else was ever computed.
    call("run", "seeds.ini", "--output", "small", "--sweep", "seed=0")
    call("run", "other.ini", "--output", "small")
    assert digests("all", ["tasks"]).keys() == digests("small", ["tasks"]).keys()
    assert after == report("small")

    done = json.loads(call("gc", "all", "--forget", "seeds", "--yes", "--json").stdout)
    assert done["removed"] and done["bytes"] > 0 and done["cells"] == ["seeds/seed=0"], done
    assert os.listdir("all/plans") == ["other.json"]
    call("run", "other.ini", "--output", "all")
    assert "done" in call("status", "all").stdout and "0 damaged" in call("verify", "all").stdout
    assert "has no job 'seeds'" in call("gc", "all", "--forget", "seeds", code=2).stderr
    # Everything that was removed can be computed again.
    call("run", "seeds.ini", "--output", "all", "--sweep", "seed=0")
    assert report("all") == report("small")


def a_live_run_forbids_it():
    with open("started.log", "w") as log:
        run = subprocess.Popen([APPORTION, "run", "long.ini", "--output", "live"], stdout=log, stderr=log, env=ENVIRONMENT)
    end = time.time() + 60
    while not any('"stage 1"' in open(path).read() for path in glob.glob("live/journal/*")):
        assert time.time() < end and run.poll() is None, open("started.log").read()
        time.sleep(0.02)
    write("live/tasks/garbage", "")
    assert "works in live (job long)" in call("gc", "live", "--yes", code=2).stderr
    assert "works in live" in call("merge", "small", "live", code=2).stderr
    call("merge", "live", "small")  # into a folder in which a run works
    assert tasks("small") <= tasks("live") and report("small").splitlines()[0] in report("live")
    assert run.poll() is None, "it was to be at work all the time"
    run.send_signal(signal.SIGKILL)
    run.wait()
    said = call("gc", "live", "--yes").stdout
    assert "signs of runs that are gone" in said and not os.listdir("live/leases") and "garbage" not in tasks("live"), said
    assert tasks("small") <= tasks("live") and "0 damaged" in call("verify", "live").stdout


def links_of(group, path=""):
    for name in group:
        link = group.get(name, getlink=True)
        yield f"{path}/{name}", link
        if isinstance(link, h5py.HardLink) and isinstance(group[name], h5py.Group):
            yield from links_of(group[name], f"{path}/{name}")


def a_pack_is_whole():
    said = call("pack", "small", "small.h5", "--adapters").stdout
    assert said == f"{len(tasks('small'))} results are in small.h5\n", said
    assert "0 damaged" in call("verify", "small.h5").stdout
    shutil.copytree("small", "kept")
    os.rename("small", "away")  # so that a link to it would be broken
    with h5py.File("small.h5") as pack:
        assert pack.attrs["format"] == "apportion pack" and pack.attrs["version"] == 1
        assert not [path for path, link in links_of(pack) if isinstance(link, h5py.ExternalLink)]
        assert set(pack["tasks"]) == tasks("kept")
        with h5py.File("kept/index.h5") as index:
            cells = list(index["jobs/seeds"])
            assert cells == list(pack["jobs/seeds"]) == ["seed=0"]
            for name in ("after/v2", "before/v2", "training/sft"):
                ours, theirs = pack["jobs/seeds/seed=0"][name], index["jobs/seeds/seed=0"][name]
                assert dict(ours.attrs)["content"] == theirs.attrs["content"], name
                for key in [key for key in ("rounds/counts", "answers/text", "exact/low", "log/loss") if key in theirs]:
                    assert key in ours and (ours[key][:] == theirs[key][:]).all(), key
        for task, group in pack["tasks"].items():
            source = open(f"kept/tasks/{task}/result.h5", "rb").read()
            assert group.attrs["source_sha256"] == hashlib.sha256(source).hexdigest()
        paths = glob.glob("kept/tasks/*/adapter/*")
        for path in paths:
            data = pack[f"adapters/{path.split('/')[2]}/{os.path.basename(path)}"]
            assert data[:].tobytes() == open(path, "rb").read(), path
            assert data.attrs["sha256"] == hashlib.sha256(data[:].tobytes()).hexdigest()
        assert len(paths) >= 4
    os.rename("away", "small")
    call("pack", "small", "plain.h5")
    with h5py.File("plain.h5") as pack:
        assert "adapters" not in pack
    assert "is inside the results folder" in call("pack", "small", "small/index.h5", code=2).stderr
    path = sorted(glob.glob("kept/tasks/*/result.h5"))[0]
    with open(path, "r+b") as file:
        file.seek(2000)
        file.write(b"#")
    before = open("plain.h5", "rb").read()
    assert path in call("pack", "kept", "plain.h5", code=2).stderr
    assert open("plain.h5", "rb").read() == before and not glob.glob("*.tmp.*")


def folders_come_together():
    """Two separately computed halves of a sweep merge into what one run would have left."""
    for seed in "01":
        call("run", "seeds.ini", "--output", f"half{seed}", "--sweep", f"seed={seed}")
    call("run", "seeds.ini", "--output", "whole")
    theirs = digests("half1")
    # After kills at different moments the same command continues the merge.
    for wait in (0.02, 0.1, 0.3):
        merging = subprocess.Popen([APPORTION, "merge", "half0", "half1"], stdout=subprocess.DEVNULL, env=ENVIRONMENT)
        time.sleep(wait)
        merging.send_signal(signal.SIGKILL)
        merging.wait()
    call("merge", "half0", "half1")
    assert digests("half1") == theirs and tasks("half0") == tasks("whole")
    assert report("half0") == report("whole")
    # For an hour, what the killed merges were writing could still belong to a live process.
    left = glob.glob("half0/**/*.tmp.*", recursive=True)
    call("gc", "half0", "--yes")
    assert glob.glob("half0/**/*.tmp.*", recursive=True) == left
    for path in left:
        os.utime(path, (0, 0))
    call("gc", "half0", "--yes")
    assert not glob.glob("half0/**/*.tmp.*", recursive=True)
    assert "nothing to remove" in call("gc", "half0", "--yes").stdout
    assert "0 damaged" in call("verify", "half0").stdout
    (job,) = json.loads(call("status", "half0", "--json").stdout)["jobs"]
    assert job["counts"]["done"] == len(job["tasks"]) == len(tasks("whole"))
    said = call("run", "seeds.ini", "--output", "half0", "--quiet=false").stderr
    assert "stage" not in said, f"nothing is left to do\n{said}"
    assert call("merge", "half0", "half1").stdout.startswith("0 results and 0 cells came"), "once more nothing is new"


def differences_are_told():
    """The same tasks with different results, as from a changed program: what the folder already has stays."""
    shutil.copytree("half1", "other")
    path = sorted(glob.glob("other/tasks/*/result.h5"))[0]
    with h5py.File(path, "r+") as file:  # as if the program had computed another content
        file.attrs["content"] = "0" * 64
    data = open(path, "rb").read()
    size, digest = len(data) - 512, hashlib.sha256(data[512:]).hexdigest()
    seal = f"apportion sealed HDF5, version 1\nbytes after the first 512: {size}\nsha256 of them: {digest}\n"
    with open(path, "r+b") as file:
        file.write(seal.encode().ljust(512, b"\0"))
    before = digests("half0")
    done = call("merge", "half0", "other", code=1)
    assert done.stderr.count("\n") == 1 and path in done.stderr and "differ" in done.stderr, done.stderr
    assert digests("half0") == before
    # Damaged files are not merged.
    os.makedirs("fresh")
    done = call("merge", "fresh", "other", code=1)
    assert f"{path}, byte 0" in done.stderr and "is not copied" in done.stderr, done.stderr
    assert path.split("/")[2] not in tasks("fresh") and "0 damaged" in call("verify", "fresh").stdout


def mistakes():
    for words in (["gc"], ["gc", "absent"], ["gc", "fresh", "--yess"], ["gc", "."], ["pack", "small"], ["pack", "absent", "x.h5"]):
        call(*words, code=2)
    for words in (["merge", "small"], ["merge", "small", "absent"], ["merge", "absent", "small"], ["merge", "small", "./small"], ["merge", "small", "half1", "whole"]):
        call(*words, code=2)


def main():
    with tempfile.TemporaryDirectory(prefix="apportion_system.") as folder, contextlib.chdir(folder):
        common.write_small_job(os.getcwd())
        with open("small.ini") as file:
            kept = "".join(line for line in file if line.partition("=")[0].strip() not in SHORT)
        write("seeds.ini", kept + SHORT + "[sweep]\nseed = 0, 1\n")
        write("other.ini", kept + SHORT + "seed = 0\nmethod = kl-only\n")
        write("long.ini", kept + SHORT.replace("sft_steps = 4", "sft_steps = 1000000"))
        checks = (garbage_goes, a_live_run_forbids_it, a_pack_is_whole, folders_come_together, differences_are_told, mistakes)
        for check in checks:
            check()


if __name__ == "__main__":
    main()
