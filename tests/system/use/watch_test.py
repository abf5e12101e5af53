"""`report --watch` makes the page while a run is at work, from its files alone: it shows where a task is, is rewritten only
when something has changed, and tells browsers to reload it until the last version. The page of a run that comes to nothing
says what is missing and why, and the line that names the failure does not wait for the page. What takes long before the
first step gets its own line."""

import contextlib
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

import h5py

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import APPORTION, call, wait_for, write_small_job  # noqa: E402

REFRESH = '<meta http-equiv="refresh" content="3"/>'
PAGE = pathlib.Path("run/report.html")
LONG = ["--sft_steps", "1000000", "--checkpoint_steps", "1000", "--retention=false"]


STARTED = []


def start(*words, stderr=subprocess.PIPE):
    quiet = {"stdout": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    STARTED.append(subprocess.Popen([APPORTION, *words], stderr=stderr, text=True, **quiet))
    return STARTED[-1]


def text_of(page):
    return page.read_text(encoding="utf-8") if page.exists() else ""


def step_of(page):
    """Stage 1's step, from the line that says who is at work; 0 without such a line."""
    found = re.search(r"At work: \S+: stage 1 (\d+)/1000000<", text_of(page))
    return int(found.group(1)) if found else 0


def a_watched_run():
    run = start("run", "small.ini", "--output", "run", "--quiet", *LONG)
    wait_for(lambda: "stage 1" in call("status", "run").stdout if os.path.isdir("run/plans") and os.listdir("run/plans") else False, "no run")
    watcher = start("report", "run", "--watch")
    wait_for(lambda: step_of(PAGE) > 0, "the page shows no step")
    first = step_of(PAGE)
    assert REFRESH in text_of(PAGE) and "goes on from there" not in text_of(PAGE)
    wait_for(lambda: step_of(PAGE) > first, "the page is not written again")
    watcher.send_signal(signal.SIGINT)
    assert watcher.wait() == 130
    assert step_of(PAGE) > 0 and REFRESH not in text_of(PAGE), "after Ctrl-C nobody writes it again"
    assert "follows the runs in run" in watcher.stderr.read()
    # While nothing changes, nothing is written: a stopped run leaves its last state.
    other = pathlib.Path("other.html")
    run.send_signal(signal.SIGSTOP)
    watcher = start("report", "run", "--watch", "--html", str(other))
    wait_for(other.exists, "no page")
    written = other.stat()
    for _ in range(2):  # a look touches a file as the folder's clock; the second begins after the first has ended
        seen = os.stat("run/members").st_mtime_ns
        wait_for(lambda: os.stat("run/members").st_mtime_ns != seen, "the watcher looks no more")
        time.sleep(1)
    assert (other.stat().st_ino, other.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns), "written again for nothing"
    # When the run ends, the watcher ends too, and its page is the one that a report writes.
    run.send_signal(signal.SIGCONT)
    run.send_signal(signal.SIGINT)
    assert run.wait() == 130, run.stderr.read()
    assert watcher.wait(timeout=30) == 0, watcher.stderr.read()
    assert text_of(other) == call("report", "run", "--html", "-").stdout
    assert REFRESH not in text_of(other) and "goes on from there" in text_of(other)
    assert not [name for name in os.listdir(".") + os.listdir("run") if name.startswith(".")], "something half written"


def nobody_at_work():
    said = call("report", "run", "--watch", "--html", "once.html").stderr
    assert said == "once.html is written once: no run is at work in run\n", said
    assert text_of(pathlib.Path("once.html")) == text_of(pathlib.Path("other.html"))
    for words, line in (
        (["report", "run", "--watch", "--json"], "ask for one"),
        (["report", "run", "--watch", "--html", "-"], "again and again"),
        (["report", "nowhere", "--watch"], "is not a directory"),
        (["report", "run", "--watch", "--fail-if", "nonsense"], "nonsense"),
        (["verify", "run", "--watch"], "belongs to"),
    ):
        said = call(*words, code=2).stderr
        assert line in said and said.count("\n") == 1, (words, said)


def a_run_that_comes_to_nothing():
    """A run of one cell that records nothing, because stage 1 cannot be saved. The page is a pipe that nobody reads before
    the line about the failure was seen."""
    call("run", "small.ini", "--output", "whole", "--retention=false")
    with h5py.File("whole/index.h5") as index:
        task = index["jobs/small/colours-full/training/sft"].attrs["task"]
    os.makedirs(f"failed/tasks/{task}")
    pathlib.Path(f"failed/tasks/{task}/adapter").write_text("in the way")
    os.mkfifo("failed/report.html")
    failed = ["run", "small.ini", "--output", "failed", "--retention=false", "--method", "full", "--quiet"]
    run = start(*failed)
    assert select.select([run.stderr], [], [], 60)[0], "the failing line waits for the page"
    line = run.stderr.readline()
    assert re.fullmatch(rf"apportion: .*{task}/adapter.*\n", line), line
    assert run.poll() is None
    with open("failed/report.html", encoding="utf-8") as pipe:
        text = pipe.read()
    assert run.wait() == 2 and run.stderr.read() == ""
    assert re.search(r"Job small: \d of \d tasks are done, 0 at work, \d waiting, 1 failed. The same `apportion run` goes on", text)
    assert re.search(rf"stage 1 failed: [^<]*{task}/adapter", text)
    # A wrong job leaves nothing at all.
    call("run", "small.ini", "--output", "wrong", "--dataset", "nowhere", code=2)
    assert not os.path.exists("wrong")


def loading_speaks():
    """The process is stopped for a second again and again, so that no machine is too fast to print the line; the rest is not
    waited for. A slow or busy machine needs many turns until the model is being loaded."""
    shape = "shape:layers=12,width=768,heads=12,kv_heads=12,ffn=3072,context=512,vocabulary=32000"
    words = ["--output", "large", "--model", shape, "--method", "zero-shot", "--threads", "1", "--quiet=false"]
    log = pathlib.Path("large.log")
    with log.open("w", encoding="utf-8") as file:
        run = start("run", "small.ini", *words, stderr=file)
    wait_for(lambda: os.path.isdir("large/plans") and os.listdir("large/plans"), "no run")
    for _ in range(200):
        if re.search("loading|measure", log.read_text(encoding="utf-8")):
            break
        run.send_signal(signal.SIGSTOP)
        time.sleep(1.1)
        run.send_signal(signal.SIGCONT)
        time.sleep(0.03)
    run.kill()
    run.wait()
    said = log.read_text(encoding="utf-8")
    assert re.search(r"^rank 0 +before, v2: loading +\d+/111 .* left$", said, re.MULTILINE), said


def main():
    a_watched_run()
    nobody_at_work()
    a_run_that_comes_to_nothing()
    loading_speaks()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
        write_small_job(work)
        try:
            main()
        finally:  # a stopped process would stay forever
            for process in STARTED:
                process.kill()
                process.wait()
