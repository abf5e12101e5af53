"""Walks a source tree and prints every breach of its rules (rules.py), one per line; exit status 1 if there is any.
Usage: house.py ROOT. house_test.py shows that it does find breaches."""

import pathlib
import re
import sys

import cpp_source
import rules

GENERATED = {"generated/version_info.h"}


def source_files(root):
    """The sorted paths, relative to the root, of all source files."""
    found = []
    for top in rules.SOURCE_ROOTS + ("cluster", "cmake"):
        base = root / top
        candidates = [base] if base.is_file() else base.rglob("*")
        for path in candidates:
            if path.suffix in (".cpp", ".h", ".py", ".sh", ".cmake") or path.name == "CMakeLists.txt":
                found.append(path.relative_to(root).as_posix())
    return sorted(found)


def has_head(root, path, text):
    """Whether the file opens with a comment on what lives in it; noun.cpp shares the comment of noun.h."""
    if path.endswith(".cpp") and (root / path).with_suffix(".h").is_file():
        return True
    text = re.sub(r"\A#![^\n]*\n", "", text)
    if path.endswith((".cpp", ".h")):
        return text.startswith("// ")
    if path.endswith(".py"):
        return text.startswith(('"""', "# "))
    return text.startswith("# ")


def check_includes(root, path, text):
    for line, name, is_quoted in cpp_source.includes(text):
        where = f"{path}:{line}: "
        if is_quoted and name not in GENERATED:
            if not (root / name).is_file():
                yield where + f'"{name}" is no file seen from the root: includes are root-relative'
                continue
            reason = rules.may_include(path, name)
            if reason:
                yield where + f'"{name}": {reason}'
        door = rules.closed_door(path, name)
        if door:
            yield where + f"<{name}>: this file is not a door to {door}"


def check_cpp(root, path, text):
    yield from check_includes(root, path, text)
    for line, name, length in cpp_source.functions(text):
        if length > rules.LINES_OF_FUNCTION:
            yield f"{path}:{line}: {name} has {length} lines, at most {rules.LINES_OF_FUNCTION}"
    pattern, allowed = rules.MPI_LIFETIME
    if re.search(pattern, cpp_source.blank(text)) and not re.match(allowed, path):
        yield f"{path}: MPI starts and ends in shared/link/rank_group.cpp"


def check_folders(paths):
    nouns = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        nouns.setdefault(folder, set()).add(name.partition(".")[0])
    for folder, names in sorted(nouns.items()):
        if len(names) > rules.NOUNS_OF_FOLDER:
            yield f"{folder}: {len(names)} nouns, at most {rules.NOUNS_OF_FOLDER}"


def check_types(root, paths):
    """No two types in one program share a name: each file would compile, and the linker would use one for both."""
    where = {}
    for path in paths:
        if not path.endswith(".h") or path.startswith("tests/"):
            continue
        text = cpp_source.blank((root / path).read_text(encoding="utf-8"))
        for match in rules.TYPE.finditer(text):
            name = match.group(1) or match.group(2)
            first = where.setdefault(name, path)
            if first != path:
                yield f"{path}: {name} is a type of {first}, too: one of them needs another name"


def check_mirror(root, paths):
    """A unit test's path mirrors its subject's: tests/unit/X/noun_test.cpp for X/noun.h or X/noun.cpp."""
    for path in paths:
        match = re.fullmatch(r"tests/unit/(.+)_test\.cpp", path)
        if match and not any((root / (match.group(1) + end)).is_file() for end in (".h", ".cpp")):
            yield f"{path}: there is no {match.group(1)}.h or .cpp that it could be the test of"


def breaches(root):
    paths = source_files(root)
    for path in paths:
        text = (root / path).read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > rules.LINES_OF_FILE:
            yield f"{path}: {lines} lines, at most {rules.LINES_OF_FILE}"
        if not has_head(root, path, text):
            yield f"{path}: no comment at its head says what lives here"
        if path.endswith((".cpp", ".h")):
            yield from check_cpp(root, path, text)
    yield from check_folders(paths)
    yield from check_mirror(root, paths)
    yield from check_types(root, paths)


def main(root):
    root = pathlib.Path(root)
    if len(source_files(root)) < 5:
        print(f"{root} has hardly any source file: is it the root of the tree?")
        return 1
    found = list(breaches(root))
    for breach in found:
        print(breach)
    print(f"{len(source_files(root))} files, {len(found)} breaches of the house's rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
