"""Runs clang-tidy (.clang-tidy) over all of shared and coordinator, and over those worker files whose code differs from a commit,
because LibTorch's headers make them slow. A file that passed is skipped until it or a header it reads changes. Files of
shared and coordinator are read in batches, through one file that includes several: a file read alone spends nine tenths
of its time in the libraries' headers.
First it compiles those files of shared and coordinator whose code differs, or that include a header whose code does, each by
itself and without precompiled headers: every build has these or compiles several files together, and so hides that a file
forgot an include.
Usage: tidy.py BUILD [COMMIT]. BUILD is a built folder: its compile commands and ninja's list of headers are read."""

import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

# These ask for CPU features by names that g++ 12 knows and Debian 12's clang 14 does not.
UNREADABLE = {"worker/device_cpu.cpp", "worker/kernels/row_kernels_choice.cpp"}
AT_A_TIME = 10
SOURCE = pathlib.Path(__file__).resolve().parent.parent


def compile_options(build):
    """{source: the compiler and its options}, for clang: without precompiled headers, g++'s own options, and OpenMP, whose
    header clang lacks."""
    options = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        command = entry["command"].removesuffix(f" -c {entry['file']}")
        command = re.sub(r"-Winvalid-pch -include \S+|-Wno-restrict|-Werror\b|-fopenmp| -o \S+", "", command)
        options.setdefault(entry["file"], command)
    return options


def header_lists(build):
    """{source: the files of this tree that it reads}, as ninja recorded them when compiling."""
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


def code_of(text):
    """C++ without comments but for those that clang-tidy obeys, as words."""
    command = ["c++", "-x", "c++", "-fpreprocessed", "-dD", "-E", "-P", "-"]
    bare = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return bare.split(), re.findall("NOLINT.*", text)


def is_reworded(path, commit):
    """Whether only comments of the C++ file differ from `commit`'s."""
    before = subprocess.run(["git", "show", f"{commit}:{path}"], cwd=SOURCE, capture_output=True, text=True)
    now = SOURCE / path
    return before.returncode == 0 and now.exists() and code_of(before.stdout) == code_of(now.read_text(encoding="utf-8"))


def changed_since(commit):
    """The sources and headers whose code differs from `commit`'s, or that git does not track; none if the commit is not known
    here."""
    places = [f"{folder}/*.{kind}" for folder in ("shared", "coordinator", "worker") for kind in ("cpp", "h")]
    difference = subprocess.run(["git", "diff", "--name-only", commit, "--", *places], cwd=SOURCE, capture_output=True, text=True)
    if difference.returncode != 0:
        return set()
    untracked = subprocess.run(["git", "ls-files", "--others", "--exclude-standard", "--", *places], cwd=SOURCE, capture_output=True, text=True)
    return {path for path in (difference.stdout + untracked.stdout).split() if not is_reworded(path, commit)}


def reads_changed(source, changed):
    """Whether the file has changed, or a header that it includes itself."""
    included = re.findall(r'^#include "(.*)"', pathlib.Path(source).read_text(encoding="utf-8"), re.M)
    return not changed.isdisjoint([os.path.relpath(source, SOURCE), *included])


def compile_alone(build, source, options):
    """The errors of the file by itself, which must include what it uses."""
    _, *words = shlex.split(options)
    command = ["clang++", *words, "-w", "-fsyntax-only", source]
    return subprocess.run(command, cwd=build, capture_output=True, text=True).stderr


def fingerprint(files, command):
    digest = hashlib.sha256(command.encode())
    for path in sorted(set(files)) + [str(SOURCE / ".clang-tidy")]:
        digest.update(pathlib.Path(path).read_bytes())
    return digest.hexdigest()


def batches(work, at_a_time):
    """Splits the work into batches that clang-tidy reads at once, each of files with the same options."""
    alike = {}
    for source in sorted(work):
        alike.setdefault(work[source].options, []).append(source)
    for sources in alike.values():
        parts = -(-len(sources) // at_a_time)
        yield from (sources[i * len(sources) // parts : (i + 1) * len(sources) // parts] for i in range(parts))


def check(folder, work, sources):
    """The findings in these files; each file without any gets a stamp. If they cannot be one file, because two use the same
    name for different things, each half is read by itself."""
    if len(sources) == 1:
        name, read = pathlib.Path(work[sources[0]].stamp).stem, sources[0]
    else:
        name = hashlib.sha256("".join(sources).encode()).hexdigest()[:16]
        read = str(folder / (name + ".cpp"))
        pathlib.Path(read).write_text("".join(f'#include "{source}"\n' for source in sources))
    commands = folder / name
    commands.mkdir(exist_ok=True)
    command = f"{work[sources[0]].options} -c {read}"
    (commands / "compile_commands.json").write_text(json.dumps([{"directory": str(folder.parent), "file": read, "command": command}]))
    words = ["clang-tidy", "--quiet", f"--config-file={SOURCE}/.clang-tidy", "-p", commands, read]
    result = subprocess.run(words, capture_output=True, text=True)
    if len(sources) > 1 and "clang-diagnostic-error" in result.stdout:
        half = len(sources) // 2
        return check(folder, work, sources[:half]) + check(folder, work, sources[half:])
    if result.returncode == 0:
        for source in sources:
            work[source].stamp.write_text(work[source].wanted)
        return []
    names = ", ".join(os.path.relpath(source, SOURCE) for source in sources)
    return [f"{names}\n{result.stdout}{result.stderr}"]


Work = collections.namedtuple("Work", "options stamp wanted")


def is_without_torch(path):
    return path.startswith(("shared/", "coordinator/"))


def check_includes(build, commands, changed):
    """Prints the errors of changed files without Torch that forgot an include, and returns how many files have any."""
    asked = {source: options for source, options in commands.items()
             if is_without_torch(os.path.relpath(source, SOURCE)) and reads_changed(source, changed)}  # fmt: skip
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = [text for text in pool.map(lambda source: compile_alone(build, source, asked[source]), asked) if text]
    for text in errors:
        print(f"includes: {text}", flush=True)
    print(f"includes: {len(asked)} files compiled by themselves, {len(errors)} with errors", flush=True)
    return len(errors)


def main(build, commit):
    build = pathlib.Path(build).resolve()
    folder = build / "tidy"
    folder.mkdir(exist_ok=True)
    commands, headers, changed = compile_options(build), header_lists(build), changed_since(commit)
    wrong = check_includes(build, commands, changed)
    together, alone = {}, {}
    for source, options in commands.items():
        path = os.path.relpath(source, SOURCE)
        several = is_without_torch(path)
        if path in UNREADABLE or not (several or path in changed):
            continue
        wanted = fingerprint(headers.get(source, []) + [source], options)
        stamp = folder / (path.replace("/", "_") + ".passed")
        if not stamp.exists() or stamp.read_text() != wanted:
            (together if several else alone)[source] = Work(options, stamp, wanted)
    work = together | alone
    parts = [*batches(together, AT_A_TIME), *batches(alone, 1)]
    findings = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(lambda sources: check(folder, work, sources), parts):
            findings += len(found)
            for text in found:
                print(f"clang-tidy: {text}", flush=True)
    print(f"clang-tidy: {len(work)} files read in {len(parts)} parts, {findings} with findings")
    return 1 if findings or wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "HEAD"))
