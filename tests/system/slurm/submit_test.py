"""`apportion submit` as a user types it, on a real Slurm: the files it writes are the committed ones and Slurm accepts
them; a job in a folder named with every odd character gets the results of a direct run; mistakes give one line; tasks
that srun starts without PMIx are refused in one line. APPORTION_WRITE=1 rewrites the committed files."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import lab

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common  # noqa: E402

APPORTION = os.environ["APPORTION_BIN"]
HERE = pathlib.Path(__file__).resolve().parent
WORK = lab.LAB / "work"
ODD = "a b 'q' \"d\" %j é"  # for the name of a results folder, where '$' and '#' have a meaning


def call(*words, code=0, cwd=WORK, environment=None):
    return common.call(*words, code=code, cwd=cwd, environment=os.environ | (environment or {}))


def refused(*words, **options):
    """Submits with a mistake; returns the program's one line."""
    said = call("submit", *words, code=2, **options).stderr
    (line,) = re.findall(r"^apportion: (.*)$", said, re.M)
    return line


def generated():
    """Each generated batch file with the options it is for; this machine's paths are replaced by names."""
    (WORK / "many.site").write_text(
        "account = p1\npartition = main\nconstraint = a|b\ntime = 1:00:00\nmemory = 1G\nranks = 4\nranks_a_node = 2\ncores_a_rank = 2\n"
        "launcher = srun --mpi=pmix -v\nmodules = gcc/12 openmpi\nenvironment = SCRATCH_DIR=$HOME/a \"b\"\ncontainer = env -u X\nsbatch = --exclusive\n"
    )
    shutil.copy(WORK / "small.ini", WORK / "sweep.ini")
    with (WORK / "sweep.ini").open("a") as file:
        file.write("[sweep]\nseed = 0..2\n")
    cases = {
        "default": ["small.ini"],
        "members": ["sweep.ini", "--members", "3", "--ranks", "2", "--sweep", "method=full, kl-only", "--end-grace-s=30.5"],
        "site": ["small.ini", "--site", "many.site", "--output", "it's", "--quiet"],
    }
    for name, words in cases.items():
        folder = {"default": "runs/small", "members": "runs/sweep", "site": "it's"}[name]
        printed = call("submit", *words, "--dry-run").stdout
        (path,) = (WORK / folder / "slurm").glob("*.sbatch")
        assert printed == path.read_text(), "what is printed is what is written"
        text = printed.replace(APPORTION, "PROGRAM").replace(str(WORK), "FOLDER")
        expected = HERE / "expected" / f"{name}.sbatch"
        if os.environ.get("APPORTION_WRITE"):
            expected.write_text(text)
        assert text == expected.read_text(), f"{name} is another than {expected}:\n{text}"
        subprocess.run(["bash", "-n", path], check=True)
        if name != "site":  # its account, constraint and modules do not exist here
            taken = subprocess.run(["sbatch", "--test-only", path], capture_output=True, text=True, check=False)
            assert taken.returncode == 0 and "to start at" in taken.stderr, taken.stderr
    assert lab.output("squeue", "-h") == "", "a dry run submits nothing"


def mistakes():
    (WORK / "bad.site").write_text("partition = main\n\nlauncher = mpiexec\n")
    assert refused("small.ini", "--site", "bad.site").startswith("bad.site, line 3: launcher = 'mpiexec' must be mpirun")
    assert "none.site" in refused("small.ini", "--site", "none.site")
    assert refused("small.ini", "--members", "0") == "command line: --members = '0' must be an integer from 1 to 1000"
    assert "unknown key" in refused("small.ini", "--sfd_steps=3")
    (WORK / "short.site").write_text("time = 5\n")
    assert "too short for end_grace_s = 120" in refused("small.ini", "--site", "short.site")
    assert "belong to 'apportion submit" in call("run", "small.ini", "--dry-run", code=2).stderr
    nowhere = refused("small.ini", "--output=nowhere", environment={"PATH": "/nonexistent"})
    assert nowhere.startswith("sbatch is not found in PATH") and (WORK / "nowhere/slurm/small.sbatch").exists(), nowhere
    (WORK / "elsewhere.site").write_text("partition = elsewhere\n")
    assert refused("small.ini", "--site", "elsewhere.site").startswith("sbatch refused ")


def usual_places():
    """Site files are taken from --site, then cluster/site.ini, then the user's configuration."""
    configuration = {"XDG_CONFIG_HOME": str(WORK / "configuration")}
    places = [WORK / "configuration/apportion/site.ini", WORK / "cluster/site.ini", WORK / "own.site"]
    assert "--partition" not in call("submit", "small.ini", "--dry-run", environment=configuration).stdout
    for number, place in enumerate(places):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"partition = p{number}\n")
        words = ["--site", "own.site"] if number == 2 else []
        assert f"--partition=p{number}\n" in call("submit", "small.ini", "--dry-run", *words, environment=configuration).stdout
    shutil.rmtree(WORK / "cluster")


def a_job():
    """Two ranks on two nodes, with odd characters everywhere."""
    folder = WORK / f"{ODD} $x #"
    folder.mkdir()
    shutil.copy(WORK / "small.ini", folder / "my job.ini")
    (folder / "my.site").write_text("ranks = 2\nranks_a_node = 1\nenvironment = ODD_NAME=$SLURM_JOB_ID \"x\"\ncontainer = env TWO=2\n")
    said = call("submit", "my job.ini", "--site", "my.site", "--output", ODD, "--sweep", "seed=0, 1", cwd=folder).stdout
    number = re.search(r"^job (\d+)$", said, re.M).group(1) + "_0"
    call("run", "small.ini", "--output", "direct", "--sweep", "seed=0..1")
    assert lab.end_of(number) == 0, (folder / ODD / f"slurm/my-job-{number}.out").read_text()
    assert common.contents(folder / ODD) == common.contents(WORK / "direct") and len(common.contents(WORK / "direct")) == 10
    assert "2 cells" in (folder / ODD / f"slurm/my-job-{number}.out").read_text()


def without_pmix():
    done = subprocess.run(["srun", "-N2", "-n2", APPORTION, "run", "small.ini", "--output=lost"], cwd=WORK, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    (line,) = re.findall(r"^apportion: (.*)$", done.stderr, re.M)
    assert "SLURM_STEP_NUM_TASKS = 2" in line and "srun --mpi=pmix" in line, line
    assert not (WORK / "lost").exists()


def main():
    lab.enter()
    WORK.mkdir()
    common.write_small_job(WORK)
    for part in (generated, mistakes, usual_places, a_job, without_pmix):
        part()
    print("5 parts passed")


main()
