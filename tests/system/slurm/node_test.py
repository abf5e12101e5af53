"""A node fails under an array of two members, each on its own node: either only its daemon is killed, while what it started
keeps running, or everything on the node. The node is set down, as Slurm does after SlurmdTimeout, and the member is
requeued. The next daemon, which does not know what the first had started, may end it. No task is done twice, none is lost,
and the results are a single run's."""

import os
import re
import subprocess
import sys

import lab

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common  # noqa: E402

APPORTION = os.environ["APPORTION_BIN"]
WORK = lab.LAB / "work"
CELLS, MEMBERS = 6, 2
TASKS = CELLS // 2 + 3 * CELLS
JOB = ["--method=kl-only", "--sft_steps=60", "--calibrate_steps=3", "--rounds=5", "--exact_nodes=4", "--test_sets=v2", "--quiet=false",
       "--checkpoint_steps=10", "--lease_s=10", f"--sweep=seed=0..{CELLS // 2 - 1}", "--sweep=target=real,even"]  # fmt: skip


def processes(pattern):
    return [int(line) for line in lab.output("pgrep", "-f", "--", pattern).split()]


def of_node(node):
    """All processes on a node: the daemon, what it started, and their children."""
    (daemon,) = processes(f"slurmd -N {node}")
    space = os.readlink(f"/proc/{daemon}/ns/uts")
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{name}/ns/uts") == space:
                found.append(int(name))
        except OSError:
            pass
    return daemon, found


def submit(name):
    (WORK / f"{name}.ini").write_text((WORK / "small.ini").read_text())
    (WORK / "site.ini").write_text("sbatch = --exclusive\n")
    words = [f"{name}.ini", "--site", "site.ini", f"--output={name}", "--members", str(MEMBERS), *JOB]
    said = subprocess.run([APPORTION, "submit", *words], cwd=WORK, capture_output=True, text=True, check=True).stdout
    return re.search(r"^job (\d+)$", said, re.M).group(1)


def fail(name, everything):
    """Fails the second member's node in the middle of work, then checks everything that follows."""
    job = submit(name)
    lab.until("both members are at work", lambda: len(workers(name)) == MEMBERS, 120)
    node = lab.job(f"{job}_1")["NodeList"]
    daemon, all_of_it = of_node(node)
    assert len(all_of_it) > 1, f"nothing runs on {node}"
    subprocess.run(["kill", "-KILL", *map(str, all_of_it if everything else [daemon])], check=True)
    # Slurm's own timeout is minutes by default, and at least half a minute.
    subprocess.run(["scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=killed"], check=True)
    lab.until("the member is in the queue", lambda: int(lab.job(f"{job}_1")["Restarts"]) == 1, 60)
    check_orphans(name, everything)
    lab.start_node(node)
    lab.until("the node is back", lambda: not any(word.startswith("down") for word in lab.states()), 60)
    for member in range(MEMBERS):
        code = lab.end_of(f"{job}_{member}")
        assert code == 0, f"member {member} of {name} ended with {code}\n{tails(name)}\n{lab.logs()}"
    check(name)


def check_orphans(name, everything):
    """A member whose daemon is gone keeps working and keeps its task."""
    ranks = [process for process in processes(f"apportion run .*--output={name} ") if is_rank(process)]
    assert len(ranks) == (1 if everything else 2), f"{len(ranks)} ranks are at work\n{tails(name)}"
    if not everything:
        assert not common.events(WORK / name, "lost"), "a task was taken from a run that was alive"


def is_rank(process):
    """Whether it is a rank and not mpirun, whose command line has the same words."""
    try:
        return os.path.samefile(f"/proc/{process}/exe", APPORTION)
    except OSError:
        return False


def workers(name):
    """The journals of runs that have finished a task."""
    return {path for path, record in common.records(WORK / name) if record["event"] == "done"}


def tails(name):
    return "\n".join(path.read_text(errors="replace")[-1500:] for path in (WORK / name / "slurm").glob("*.out"))


def check(name):
    # A member whose daemon was killed may continue until nothing is left to take, and end last.
    lab.until("no process is left", lambda: not processes(f"apportion run .*--output={name} "), 60)
    done = common.events(WORK / name, "done")
    assert len(done) == len(set(done)) == TASKS, f"a task was done twice, or not at all: {len(done)} records of {len(set(done))} tasks, not {TASKS}\n{tails(name)}"
    assert common.contents(WORK / name) == common.contents(WORK / "direct"), "other results than a single run's"


def main():
    lab.enter()
    WORK.mkdir()
    common.write_small_job(WORK)
    with (WORK / "direct.log").open("w") as log:
        subprocess.run([APPORTION, "run", "small.ini", "--output=direct", *JOB], cwd=WORK, stdout=log, stderr=log, check=True)
    fail("daemon", everything=False)
    fail("node", everything=True)
    lost = common.events(WORK / "node", "lost")
    assert lost, "the node's task was taken over"
    print(f"two nodes failed; {len(lost)} tasks of the second one were taken over")


main()
