"""A folder whose disk fills up at one point after another, and one that is read-only: one line with the file and the
reason, exit code 2, no hanging rank, nothing half-written, and no task counts as failed. Once there is room, the same
command finishes, with the results of a run that had room from the start."""

import pathlib
import re
import shutil
import subprocess
import tempfile

import toy

# A run gets further with each size: from not even a journal to some finished tasks.
SIZES = ["8k", "32k", "100k", "300k", "600k", "900k"]
ENOUGH = "64m"
OPTIONS = ["--quiet=false"]


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def check_refusal(run, folder, reason):
    """Expects exit code 2 and one line, from rank 0, with the file and the reason."""
    run.ends(2, 120)
    # The full disk may also have cut short a checkpoint of the run before.
    lines = [line for line in run.lines() if not re.search(r"warning: .*: the checkpoint of step \d+ is skipped: .*/COMPLETE, byte 0: the file is missing", line)]
    assert len(lines) == 1 and lines[0].endswith(f": {reason}") and "cannot " in lines[0] and f" {folder}/" in lines[0], run.log()
    assert "errno" not in lines[0] and "Traceback" not in run.log(), run.log()


def check_nothing_half_written(folder):
    half = [path for path in folder.rglob("*") if ".tmp." in path.name or path.name.startswith(".")]
    assert not half, half
    assert toy.names(folder / "leases") == toy.names(folder / "members") == [], "a run has left without giving back"
    if toy.results(folder):
        assert "0 damaged" in toy.call("verify", folder).stdout


def a_full_disk(work, expected):
    folder = work / "full"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={SIZES[0]}", "full", str(folder))
    finished = []
    for size in SIZES:
        mount("-o", f"remount,size={size}", str(folder))
        for ranks, options in ((1, ["--checkpoint_steps=2"]), (2, ["--group_size=1"]), (2, ["--group_size=2", "--checkpoint_steps=2"])):
            kept = toy.results(folder)
            # Run as a batch job, which would set aside what has failed twice.
            run = toy.Run(folder, *OPTIONS, *options, ranks=ranks, environment={"SLURM_JOB_ID": "7"})
            check_refusal(run, folder, "No space left on device")
            toy.check_kept(kept, folder, f"{size} on {ranks} ranks")
            check_nothing_half_written(folder)
        finished.append(len(toy.results(folder)))
    assert finished[0] == 0 and len(set(finished)) > 2 and finished[-1] < toy.TASKS, f"not at different moments: {finished}"
    assert not toy.common.events(folder, "failed"), "a full disk is no failure of a task"
    status = toy.call("status", folder).stdout
    assert "set aside" not in status and "failed" not in status, status
    mount("-o", f"remount,size={ENOUGH}", str(folder))
    toy.Run(folder, *OPTIONS, environment={"SLURM_JOB_ID": "7"}).ends()
    toy.check_finished(folder, expected)
    return finished


def a_read_only_folder(work, folder):
    """A read-only folder with a finished job, and a new folder to be made inside it."""
    mount("-o", "remount,ro", str(folder))
    for ranks in (1, 2):
        check_refusal(toy.Run(folder, *OPTIONS, ranks=ranks), folder, "Read-only file system")
        new = folder / "new"
        check_refusal(toy.Run(new, *OPTIONS, ranks=ranks, work=work), folder, "Read-only file system")
    refused = toy.call("merge", folder, work / "single", code=2).stderr
    assert refused.startswith(f"apportion: cannot write {folder}/members/") and refused.count("\n") == 1, refused
    for words in (["status"], ["report"], ["verify"], ["export", "--csv", work / "shares.csv"], ["pack", work / "pack.h5"]):
        toy.call(words[0], folder, *words[1:])


def a_full_disk_beside_it(work, folder):
    """The disk is full where other commands write their output."""
    small = work / "small"
    small.mkdir()
    mount("-t", "tmpfs", "-o", "size=64k", "small", str(small))
    (small / "merged").mkdir()
    for words in (["pack", folder, small / "pack.h5"], ["export", folder, "--csv", small / "shares.csv"], ["merge", small / "merged", folder]):
        (small / "filler").write_bytes(bytes(32 << 10 if words[0] == "pack" else 60 << 10))
        refused = toy.call(*words, code=2).stderr
        assert re.fullmatch(rf"apportion: .*{small}/.*: No space left on device\n", refused), refused
        assert not [path for path in small.rglob("*") if path.suffix in (".h5", ".csv") or ".tmp." in path.name], "something is left"
    subprocess.run(["umount", small], check=True)


def main():
    toy.enter_mounts()
    work = pathlib.Path(tempfile.mkdtemp(prefix="apportion_system."))
    try:
        toy.write_sweep(work)
        finished = a_full_disk(work, toy.undisturbed(work))
        a_full_disk_beside_it(work, work / "full")
        a_read_only_folder(work, work / "full")
    finally:
        toy.end_all()
    subprocess.run(["umount", work / "full"], check=True)
    shutil.rmtree(work)
    print(f"finished tasks when the disk was full: {finished}")


if __name__ == "__main__":
    main()
