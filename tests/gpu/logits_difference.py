"""The largest difference between the logits of two dumps (tests/conformance/logits_dump.cpp) of the same prompts,
and exit status 1 when it is above the bound or one is no number. Needs Python alone: GPU machines have no peers.

Usage: logits_difference.py ONE OTHER BOUND
"""

import array
import math
import sys

VOCABULARY = 49152  # SmolLM2's


def read_dump(path):
    """[(ids, logits)] of each prompt."""
    with open(path, "rb") as file:
        raw = file.read()
    prompts, position = [], 0
    while position < len(raw):
        count = int.from_bytes(raw[position : position + 4], sys.byteorder)
        ids = array.array("i", raw[position + 4 : position + 4 + 4 * count])
        position += 4 + 4 * count
        logits = array.array("f", raw[position : position + 4 * VOCABULARY])
        if len(ids) != count or len(logits) != VOCABULARY:
            sys.exit(f"{path} ends inside a prompt, at byte {len(raw)}")
        prompts.append((ids, logits))
        position += 4 * VOCABULARY
    return prompts


def main(one, other, bound):
    pairs = list(zip(read_dump(one), read_dump(other), strict=True))
    if not pairs or any(left[0] != right[0] for left, right in pairs):
        sys.exit(f"{one} and {other} are not of the same prompts")
    largest = max(max(abs(a - b) for a, b in zip(left[1], right[1])) for left, right in pairs)
    if not all(math.isfinite(value) for pair in pairs for _, logits in pair for value in logits):
        sys.exit("a logit is no finite number")
    print(f"{len(pairs)} prompts: largest difference of a logit {largest:.3g} (bound {bound})")
    return 0 if largest <= float(bound) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
