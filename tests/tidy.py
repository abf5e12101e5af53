"""Runs clang-tidy (.clang-tidy) over all of shared and coordinator, and over the worker's files that differ from
a commit: LibTorch's headers make those slow. A file that passed is skipped until it or a header it reads changes.
Usage: tidy.py BUILD [COMMIT]. BUILD is a built folder: its compile commands and ninja's list of headers are read."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

# Asks for CPU features by names that g++ 12 knows and Debian 12's clang 14 does not.
UNREADABLE = {"worker/device_cpu.cpp", "worker/kernels/row_kernels_choice.cpp"}
SOURCE = pathlib.Path(__file__).resolve().parent.parent


def compile_commands(build):
    """{source: its command}, for clang: without precompiled headers (so that missing includes show), g++'s own options
    and OpenMP, whose header it lacks."""
    commands = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        command = re.sub(r"-Winvalid-pch -include \S+|-Wno-restrict|-Werror\b|-fopenmp", "", entry["command"])
        commands.setdefault(entry["file"], dict(entry, command=command))
    return commands


def header_lists(build):
    """{source: the files of this tree that it reads}, as ninja recorded them on compiling."""
    lists, current = {}, None
    for line in subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True).stdout.splitlines():
        if line.startswith("    "):
            current.append(line.strip())
        elif line:
            current = []
        if line.startswith("    ") and line.endswith(".cpp"):
            lists[line.strip()] = current
    return {source: [f for f in files if f.startswith(str(SOURCE) + "/") and "/build/" not in f]
            for source, files in lists.items()}


def changed_since(commit):
    """Paths that differ from `commit`, and what git does not track yet; without a commit known here: none."""
    difference = subprocess.run(["git", "diff", "--name-only", commit, "--"], cwd=SOURCE, capture_output=True, text=True)
    if difference.returncode != 0:
        return set()
    untracked = subprocess.run(["git", "ls-files", "--others", "--exclude-standard"], cwd=SOURCE, capture_output=True, text=True)
    return set((difference.stdout + untracked.stdout).split())


def fingerprint(files, command):
    digest = hashlib.sha256(command.encode())
    for path in sorted(set(files)) + [str(SOURCE / ".clang-tidy")]:
        digest.update(pathlib.Path(path).read_bytes())
    return digest.hexdigest()


def check(folder, source, stamp, wanted):
    result = subprocess.run(["clang-tidy", "--quiet", "-p", folder, source], capture_output=True, text=True)
    if result.returncode == 0:
        stamp.write_text(wanted)
    return source, result.returncode, result.stdout + (result.stderr if result.returncode else "")


def main(build, commit):
    build = pathlib.Path(build).resolve()
    folder = build / "tidy"
    folder.mkdir(exist_ok=True)
    commands, headers, changed = compile_commands(build), header_lists(build), changed_since(commit)
    (folder / "compile_commands.json").write_text(json.dumps(list(commands.values())))
    work = []
    for source, entry in commands.items():
        path = os.path.relpath(source, SOURCE)
        if path in UNREADABLE:
            continue
        if path.startswith(("shared/", "coordinator/")) or (path.startswith("worker/") and path in changed):
            wanted = fingerprint(headers.get(source, []) + [source], entry["command"])
            stamp = folder / (path.replace("/", "_") + ".passed")
            if not stamp.exists() or stamp.read_text() != wanted:
                work.append((folder, source, stamp, wanted))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for source, status, output in pool.map(lambda arguments: check(*arguments), work):
            if status:
                failed += 1
                print(f"clang-tidy: {os.path.relpath(source, SOURCE)}\n{output}", flush=True)
    print(f"clang-tidy: {len(work)} files read, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "HEAD"))
