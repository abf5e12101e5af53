"""kill -9 at random moments while a run saves its state at each step. By this script's own reading of docs/store.md
there is always a complete checkpoint afterwards, never older than the one before; the next run continues from it, and
the final digests are those of a run that nobody killed. Some runs use two ranks, so others resume what those wrote.
APPORTION_KILL_SEED repeats the moments of the kills as far as the machine's timing allows; APPORTION_KILLS sets how
many there are (200 with APPORTION_LONG=1)."""

import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

import common

BINARY = os.environ["APPORTION_BIN"]
KILLS = int(os.environ.get("APPORTION_KILLS", "200" if os.environ.get("APPORTION_LONG") == "1" else "12"))
SEED = int(os.environ.get("APPORTION_KILL_SEED", "0")) or int.from_bytes(os.urandom(4), "big") + 1
# Of each stage: enough that a stage outlasts a few kills, few enough that a whole run takes seconds.
STEPS = 120
LONGEST_DELAY_S = 0.1  # a step and its save take 0.01 to 0.05 s
TWO_RANKS_EACH = 6  # one run in this many, since mpirun is slow to start
TIMEOUT_S = 120
DIGEST_BLOCK = 1 << 20
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def start(work, results, log, ranks, save_each):
    options = [f"--sft_steps={STEPS}", f"--calibrate_steps={STEPS}", f"--checkpoint_steps={save_each}", "--quiet=false"]
    options += ["--method=full", "--test_sets=heldout", "--rounds=1", "--exact_nodes=0", f"--output={results}"]
    command = (MPIRUN if ranks > 1 else []) + [BINARY, "run", str(work / "small.ini")] + options
    return subprocess.Popen(command, cwd=work, env=ENVIRONMENT, stdout=log, stderr=log)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def is_whole(path):
    """Whether docs/store.md calls the checkpoint complete and undamaged."""
    try:
        line, digest, rest = (path / "COMPLETE").read_bytes().split(b"\n")
        complete = json.loads(line)
        if digest.decode() != sha256(line) or rest or int(path.name[5:]) != complete["step"]:
            return False
        for rank, expected in enumerate(complete["manifests"]):
            name = f"rank-{rank}-of-{complete['ranks']}"
            manifest = (path / f"{name}.json").read_bytes()
            data = (path / f"{name}.bin").read_bytes()
            if sha256(manifest) != expected:
                return False
            for part in json.loads(manifest)["slices"]:
                place = data[part["offset"] : part["offset"] + part["bytes"]]
                blocks = [sha256(place[at : at + DIGEST_BLOCK]) for at in range(0, len(place), DIGEST_BLOCK)]
                if len(place) != part["bytes"] or blocks != part["sha256"]:
                    return False
        return True
    except (OSError, ValueError, KeyError):
        return False


def checkpoints(results):
    return sorted(results.glob("tasks/*/checkpoint/step-*"))


def newest_whole(results):
    """Maps each task to the step of its newest whole checkpoint."""
    newest = {}
    for path in checkpoints(results):
        if is_whole(path):
            newest[path.parent.parent.name] = max(newest.get(path.parent.parent.name, 0), int(path.name[5:]))
    return newest


def kill(process, ranks):
    victims = [process.pid]
    if ranks > 1:
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        victims = [int(child) for child in children.read_text().split()]
    for victim in victims:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait(TIMEOUT_S)


def run_and_kill(work, results, log_path, ranks, delay):
    """Starts a run and kills it `delay` seconds after its first save. Returns False if it ended before that."""
    found, end = set(checkpoints(results)), time.monotonic() + TIMEOUT_S
    with log_path.open("w") as log:
        process = start(work, results, log, ranks, save_each=1)
        while process.poll() is None and found.issuperset(checkpoints(results)):
            assert time.monotonic() < end, f"nothing was saved in {TIMEOUT_S} s: {log_path.read_text()}"
            time.sleep(0.002)
        time.sleep(delay)
        if process.poll() is None:
            kill(process, ranks)
            return True
    assert process.returncode == 0, log_path.read_text()
    return False


def digests(results):
    """Digests of everything that must not depend on how the run got to its end."""
    found = {}
    for path in sorted(results.glob("tasks/*/result.h5")):
        shown = subprocess.run(["h5dump", "-a", "/content", path], check=True, capture_output=True, text=True).stdout
        found[path.parent.name] = re.search(r'\(0\): "(\w{64})"', shown).group(1)
    for path in sorted(results.glob("tasks/*/adapter/adapter_model.safetensors")):
        found[path.parent.parent.name + " adapter"] = sha256(path.read_bytes())
    return found


def check_going_on(log, before):
    """A run must continue from the newest whole checkpoint that it found. Returns 1 if it says where it continues, else 0."""
    assert not (before and "starts from the beginning" in log), f"a whole checkpoint was not found: {before}\n{log}"
    said = re.search(r"goes on from step (\d+) of", log)
    if said is None:
        return 0
    assert int(said.group(1)) in before.values(), f"went on from step {said.group(1)}, whole are {before}"
    return 1


def check_end(results, expected):
    assert digests(results) == expected, "the resumed run came to another result"
    assert not list(results.glob("tasks/*/checkpoint")), "checkpoints of finished tasks stay"
    shutil.rmtree(results)


def main():
    random.seed(SEED)
    print(f"seed {SEED}", flush=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="apportion_kill."))
    common.write_small_job(work)
    with (work / "through.log").open("w") as log:
        assert start(work, work / "through", log, 1, save_each=0).wait(TIMEOUT_S) == 0, "the run without a kill"
    expected = digests(work / "through")
    assert len(expected) == 5, expected  # two stages, each with an adapter, and one measurement

    results, log_path = work / "results", work / "killed.log"
    begun, kills, ends, resumed, unfinished = time.monotonic(), 0, 0, 0, 0
    before = {}
    # How often a kill hits a save depends on the machine: it goes on until one has.
    while kills < KILLS or (unfinished == 0 and kills < 10 * KILLS):
        ranks = 2 if kills % TWO_RANKS_EACH == TWO_RANKS_EACH - 1 else 1
        killed = run_and_kill(work, results, log_path, ranks, random.uniform(0, LONGEST_DELAY_S))
        resumed += check_going_on(log_path.read_text(), before)
        if not killed:
            check_end(results, expected)
            ends, before = ends + 1, {}
            continue
        kills += 1
        after = newest_whole(results)
        for task, step in before.items():
            done = (results / "tasks" / task / "result.h5").exists()
            assert done or after.get(task, 0) >= step, f"kill {kills}: the checkpoint of step {step} is lost"
        unfinished += len([path for path in checkpoints(results) if not is_whole(path)])
        before = after
    with log_path.open("w") as log:
        assert start(work, results, log, 1, save_each=1).wait(TIMEOUT_S) == 0, log_path.read_text()
    check_end(results, expected)
    print(
        f"{kills} kills in {time.monotonic() - begun:.0f} s: {resumed} runs said where they go on, {unfinished} half-written"
        f" checkpoints were met, {ends + 1} runs came to the end with the digests of the run without a kill"
    )
    assert resumed > 0 and (unfinished > 0 or KILLS < 10), "the kills missed what they were to hit"
    shutil.rmtree(work)


main()
