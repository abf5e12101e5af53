"""Model files that are each wrong in one place, given to the program itself: it refuses each with exit code 2 and one line
that names the file and the key, byte or line in it. Each is made from a file that is accepted.

Usage: malformed_test.py [PART OF A CASE'S NAME]. Cases whose names begin with "also" are much like others: they run when
asked for, and with APPORTION_LONG=1."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "system", "inputs"))
import folder_cases  # noqa: E402
import gguf_cases  # noqa: E402
import valid_files  # noqa: E402

AT_ONCE = max(2, len(os.sched_getaffinity(0)))  # each call spends most of its time on one thread
INSPECT, SCORE = ["inspect"], ["score"]
LONG = os.environ.get("APPORTION_LONG") == "1"


def call(folder, files, command, model):
    """Runs the program in a folder with these files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    words = [*command, model]
    if command == SCORE:
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in valid_files.ROWS))
        words += ["rows.jsonl", *(["--adapter", "adapter"] if (folder / "adapter").exists() else [])]
    program = [os.environ["APPORTION_BIN"], *words]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=60, check=False)


def cases():
    """All cases: (name, command, the model that is given, files, the file to blame, words)."""
    for group in (gguf_cases.of_the_file, gguf_cases.of_keys, gguf_cases.of_tensors):
        for name, content, words in group():
            yield f"GGUF, {name}", INSPECT, "model.gguf", {"model.gguf": content}, "model.gguf", words
    for name, content, words in gguf_cases.when_it_is_read():
        yield f"GGUF, {name}", SCORE, "model.gguf", {"model.gguf": content}, "model.gguf", words
    for name, files, given, words in gguf_cases.of_parts():
        yield f"parts, {name}", INSPECT, given, files, given if name == "a part's other name" else "model-0000", words
    for group in (folder_cases.of_config, folder_cases.of_weights, folder_cases.of_index):
        for name, files, blamed, words in group():
            yield f"folder, {name}", INSPECT, "model", files, blamed, words
    nan = folder_cases.with_a_nan(valid_files.folder(), folder_cases.WEIGHTS, valid_files.weights(), folder_cases.UP)
    words = ["byte ", f"tensor '{folder_cases.UP}' has a NaN or an infinity in row 1"]
    yield "folder, a weight that is no number", SCORE, "model", nan, folder_cases.WEIGHTS, words
    for group in (folder_cases.of_tokens, folder_cases.of_templates, folder_cases.of_adapter):
        for name, files, blamed, words in group():
            yield f"folder, {name}", SCORE, "model", files, blamed, words


def fault_of(work, number, case):
    """What is not as it should be; empty if everything is."""
    name, command, model, files, blamed, words = case
    done = call(work / str(number), files, command, model)
    said = done.stderr
    shown = f"{name}: exit code {done.returncode}, {said!r}"
    if done.returncode != 2 or not said.startswith("apportion: ") or said.count("\n") != 1 or not said.endswith("\n"):
        return f"{shown}: not one line and 2"
    if not said[:-1].isprintable():
        return f"{shown}: signs that a terminal obeys"
    wanted = [word for word in [blamed, *words] if word not in said]
    if wanted:
        return f"{shown}: without {wanted}"
    return ""


def check_valid_files(work):
    """The valid files are accepted; otherwise a case could fail for another reason than its own."""
    whole, parts = valid_files.gguf(), valid_files.in_parts(valid_files.gguf_parts())
    taken = [(whole, "model.gguf"), (parts, valid_files.part_name(1)), (valid_files.folder(), "model"),
             (valid_files.folder_in_files(), "model"), (valid_files.folder_with_adapter(), "model")]  # fmt: skip
    for number, (files, model) in enumerate(taken):
        for command in (INSPECT, SCORE):
            done = call(work / f"valid-{number}", files, command, model)
            assert done.returncode == 0 and not done.stderr, (model, command, done.stderr)
            assert not re.search("^refused", done.stdout, re.MULTILINE), done.stdout


def main():
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        check_valid_files(work)
        table = [case for case in cases() if chosen in case[0] and (LONG or chosen or ", also " not in case[0])]
        names = [case[0] for case in table]
        assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            faults = [fault for fault in pool.map(lambda pair: fault_of(work, *pair), enumerate(table)) if fault]
    assert not faults, f"{len(faults)} of {len(table)}:\n" + "\n".join(faults)
    print(f"{len(table)} malformed files were refused, each in one line")


if __name__ == "__main__":
    main()
