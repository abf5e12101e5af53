"""A real Slurm for the tests here: munged, slurmctld and two slurmd on this machine, up in two seconds. The script that
calls `enter()` continues as the first process of its own namespaces (processes, mounts, network, host name). When it ends,
the kernel ends everything in them, so nothing is left behind however it ends, and no other Slurm or port is in the way.
Files are written to a tmpfs over /run that nobody else sees. Not a test itself."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common  # noqa: E402

LAB = pathlib.Path("/run/lab")
NODES = 2
PROGRAMS = ["unshare", "munged", "slurmctld", "slurmd", "sbatch", "scontrol", "sinfo", "mpirun"]
INSIDE = "APPORTION_SLURM_LAB"
UP_S = 30

# Requeued jobs wait for cred_expire; Slurm checks for signals at a time limit every 30 s, which no option changes.
CONFIGURATION = """
ClusterName=lab
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
ReturnToService=2
SlurmctldPidFile=/run/lab/slurmctld.pid
SlurmdPidFile=/run/lab/slurmd-%n.pid
SlurmdSpoolDir=/run/lab/spool-%n
TmpFS=/run/lab/tmp-%n
StateSaveLocation=/run/lab/state
SlurmctldLogFile=/run/lab/slurmctld.log
SlurmdLogFile=/run/lab/slurmd-%n.log
KillWait=10
MinJobAge=300
PropagateResourceLimits=NONE
SlurmdParameters=config_overrides
NodeName=node[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=node[1-2] Default=YES MaxTime=1:00:00 DefaultTime=1:00:00 State=UP
"""


def give_up(reason):
    print(f"FAILED: no Slurm can be started here: {reason}")
    sys.exit(1)


def enter():
    """Restarts this script in its own namespaces; returns there once Slurm is running."""
    os.environ["PATH"] = os.environ.get("PATH", "/usr/bin") + ":/usr/sbin:/sbin"
    if os.environ.get(INSIDE) != str(os.getppid()) or os.getpid() != 1:
        missing = [program for program in PROGRAMS if not shutil.which(program)]
        if missing:
            give_up(f"{', '.join(missing)} not found; cluster/install-deps.sh --tests installs them")
        flags = ["--mount", "--pid", "--net", "--uts", "--fork", "--kill-child", "--mount-proc"]
        tried = subprocess.run(["unshare", *flags, "true"], capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            give_up(f"it needs root with the right to make namespaces ({tried.stderr.strip()})")
        os.environ[INSIDE] = "0"  # in its own process namespace the parent is outside, so its id is 0
        sys.stdout.flush()
        os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv])
    become_child()
    start()


def become_child():
    """The first process of a process namespace has to reap orphans. This one does that while its child continues as the
    test, and ends with the child's exit code."""
    child = os.fork()
    if child == 0:
        return
    while True:
        process, status = os.wait()
        if process == child:
            os._exit(os.waitstatus_to_exitcode(status) & 255)


def daemon(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        give_up(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def start():
    begun = time.monotonic()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "lab", "/run"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # With only 127.0.0.1 a host counts as having no network, and Slurm's own look-ups fail.
    subprocess.run(["ip", "address", "add", "10.77.0.1/32", "dev", "lo"], check=True)
    subprocess.run(["hostname", "localhost"], check=True)
    for folder in (LAB, LAB / "state", LAB / "tmp", pathlib.Path("/run/munge")):
        folder.mkdir()
    (LAB / "slurm.conf").write_text(CONFIGURATION)
    key = LAB / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    os.environ.update(
        SLURM_CONF=str(LAB / "slurm.conf"), TMPDIR=str(LAB / "tmp"), OMP_NUM_THREADS="1",
        OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
        OMPI_MCA_btl_tcp_if_include="lo", OMPI_MCA_oob_tcp_if_include="lo", OMPI_MCA_mpi_yield_when_idle="1",
    )  # fmt: skip
    daemon("munged", f"--key-file={key}", f"--log-file={LAB}/munged.log", f"--pid-file={LAB}/munged.pid", f"--seed-file={LAB}/munged.seed", "--force")
    daemon("slurmctld")
    for node in range(1, NODES + 1):
        (LAB / f"spool-node{node}").mkdir()
        (LAB / f"tmp-node{node}").mkdir()
        start_node(f"node{node}")
    until(f"{NODES} idle nodes", lambda: states() == ["idle"] * NODES, UP_S)
    print(f"Slurm is up after {time.monotonic() - begun:.1f} s", flush=True)


def start_node(name):
    """Open MPI assumes that ranks with the same host name share memory, so each node needs its own name."""
    daemon("unshare", "--uts", "sh", "-c", f"hostname {name} && exec slurmd -N {name}")


def states():
    """The states of the nodes."""
    return output("sinfo", "-h", "-N", "-o", "%T").split()


def logs():
    return "\n".join(f"--- {path}\n{path.read_text(errors='replace')[-3000:]}" for path in sorted(LAB.glob("*.log")))


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def until(what, is_there, seconds):
    """Waits until `is_there()`; on failure shows Slurm's jobs and logs."""
    common.wait_for(is_there, lambda: f"{what}\n{output('scontrol', 'show', 'jobs')}\n{logs()}", seconds)


def job(number):
    """What Slurm knows about a job, or about an array's task "7_0"."""
    return dict(re.findall(r"(\S+?)=(\S*)", output("scontrol", "-o", "show", "job", str(number))))


def state(number):
    return job(number).get("JobState")


def end_of(number, seconds=400):
    """Waits for a job to end; returns its batch file's exit code."""
    until(f"the end of job {number}", lambda: state(number) in ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL"), seconds)
    return int(job(number)["ExitCode"].split(":")[0])
