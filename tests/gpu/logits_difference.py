"""Prints the largest difference between the logits of two dumps (tests/conformance/logits_dump.cpp) of the same prompts;
exit status 1 if it is above the bound or a logit is not a number. Needs only Python: GPU machines have no peers.

Usage: logits_difference.py ONE OTHER BOUND
"""

import array
import math
import struct
import sys


def read_dump(path):
    """[(ids, logits)], one for each prompt."""
    with open(path, "rb") as file:
        raw = file.read()
    prompts, position = [], 0
    while position < len(raw):
        count, vocabulary = struct.unpack_from("=ii", raw.ljust(position + 8, b"\0"), position)
        end = position + 8 + 4 * (count + vocabulary)
        if end > len(raw):
            sys.exit(f"{path} ends inside a prompt, at byte {len(raw)}")
        values = raw[position + 8 : end]
        prompts.append((array.array("i", values[: 4 * count]), array.array("f", values[4 * count :])))
        position = end
    return prompts


def main(one, other, bound):
    left, right = read_dump(one), read_dump(other)
    pairs = list(zip(left, right))
    if not pairs or len(left) != len(right) or any(a[0] != b[0] or len(a[1]) != len(b[1]) for a, b in pairs):
        sys.exit(f"{one} and {other} are not of the same prompts")
    largest = max(max(abs(a - b) for a, b in zip(left[1], right[1])) for left, right in pairs)
    if not all(math.isfinite(value) for pair in pairs for _, logits in pair for value in logits):
        sys.exit("a logit is no finite number")
    print(f"{len(pairs)} prompts: largest difference of a logit {largest:.3g} (bound {bound})")
    return 0 if largest <= float(bound) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
