"""The rules of the source tree as data and small functions: who may include whom, which part alone may include which
library, and the limits. cpp_source.py reads C++; house.py walks the tree and reports."""

import re

LINES_OF_FILE = 500
LINES_OF_FUNCTION = 60
NOUNS_OF_FOLDER = 15
SOURCE_ROOTS = ("shared", "worker", "coordinator", "python", "tests", "apportion.cpp")

# A part may include itself and lower-numbered parts of its tree.
SHARED_PARTS = {"base": 0, "architecture": 1, "jinja": 1, "statistics": 1, "config": 2, "data": 3, "tokens": 3, "model_files": 4, "model": 5, "measure": 6, "link": 7, "store": 7}
WORKER_PARTS = {"gpu": 0, "kernels": 0, "device": 1, "parallel": 2, "tree": 3, "models": 4, "losses": 5, "train": 6, "sample": 6, "worker": 7, "study": 8, "judge": 8, "score": 8, "merged": 8}
# The messages' structs are data that the store writes too; the code that carries them stays private to link.
OPEN_TO_STORE = "shared/link/message.h"

# (pattern of the include, paths that may have it, the library's name). tests/support may open any door.
WORKER_SIDE = r"worker/|tests/(unit|ranks)/worker/|tests/conformance/|tests/(bench|gpu|nccl|pretend)/"
DOORS = [
    (r"mpi\.h|mpi/.*", r"shared/link/(link_mpi|rank_group)\.|worker/parallel/collectives_mpi\.", "MPI"),
    (r"nccl\.h", r"worker/parallel/collectives_nccl\.", "NCCL"),
    (r"cuda.*\.h|(ATen|c10)/cuda/.*", r"worker/gpu/stream_cuda\.|worker/device_cuda\.", "CUDA"),
    (r"hdf5.*\.h|H5.*\.h", r"shared/store/|tests/unit/shared/store/", "HDF5"),
    (r"boost/program_options.*", r"shared/config/", "Boost.Program_options"),
    (r"boost/math/.*", r"shared/statistics/", "Boost.Math"),
    (r"curl/.*", r"coordinator/judge/http\.", "libcurl"),
    (r"(ATen|torch|c10)/.*", WORKER_SIDE, "Torch"),
    (r"unicode/.*", r"shared/(data|jinja|tokens|measure)/", "ICU"),
]
# A type that a header gives the whole program; nested types, and those in tests' inner namespaces, have longer names.
TYPE = re.compile(r"^(?:struct|class|enum class)\s+(\w+)[^;]*?\{|^using\s+(\w+)\s*=", re.MULTILINE)
# MPI starts and ends in one place.
MPI_LIFETIME = (r"\bMPI_(Init|Init_thread|Finalize)\b", r"shared/link/rank_group\.cpp|tests/support/")


def place(path):
    """(tree, part): the room that a file is in. Files in `tests` belong to the room they mirror, if there is one."""
    steps = path.split("/")
    if steps[0] == "tests":
        return ("tests", None)
    if steps[0] == "shared" and len(steps) > 2:
        return ("shared", steps[1])
    if steps[0] == "worker":
        if len(steps) > 2:
            return ("worker", steps[1])
        return ("worker", "device" if re.match(r"device|torch_pch", steps[1]) else "worker")
    return (steps[0], None)


def may_include(path, target):
    """Why the file `path` may not include our own file `target`; None if it may."""
    tree, part = place(path)
    other, other_part = place(target)
    if other == "tests":
        return None if tree == "tests" else "nothing but a test includes tests"
    if tree == "tests":
        return mirror_may_include(path, other)
    if other == "apportion.cpp":
        return "nothing includes apportion.cpp"
    if tree in ("coordinator", "worker") and other not in (tree, "shared"):
        return f"{tree} may include itself and shared only"
    if tree == "shared" and other != "shared":
        return "shared may include shared only"
    if tree != other:
        return None
    if part == "store" and target == OPEN_TO_STORE:
        return None
    order = {"shared": SHARED_PARTS, "worker": WORKER_PARTS}.get(tree)
    if order is None or part == other_part:
        return None
    for name in (part, other_part):
        if name not in order:
            return f"{tree}/{name} is not a part that the rules know"
    if order[other_part] >= order[part]:
        return f"{tree}/{part} may not include {tree}/{other_part}"
    return None


def mirror_may_include(path, other):
    """A unit or rank test may include the room it mirrors and shared; other tests may include everything."""
    match = re.match(r"tests/(unit|ranks)/(shared|coordinator|worker)/", path)
    if match and other not in ("shared", match.group(2)):
        return f"a test of {match.group(2)} may include {match.group(2)} and shared only"
    return None


def closed_door(path, include):
    """The name of the library whose header `include` this file may not include; None if it may."""
    if path.startswith("tests/support/"):
        return None
    for pattern, allowed, name in DOORS:
        if re.fullmatch(pattern, include):
            # CUDA's headers also match Torch's door: the first match decides.
            return None if re.match(allowed, path) else name
    return None
