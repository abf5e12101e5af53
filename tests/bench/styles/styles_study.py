"""How far trained shares carry over to other styles of asking: adapters of gender-us-real on wordings by other hands.

For each adapter and each list: the exact error (digits alone, over all wordings together), the mean shift towards the
first category (logit(share) - logit(target), in nats, over subjects and wordings), the deviation of single wordings'
shifts, and the coverage. `--each` adds every wording's shift. One forward pass a prompt by `apportion score`: about 30 s for
half of the occupations on two cores, where a measure task needs minutes.

Usage: styles_study.py [--program build/cpu/apportion] [--model smollm2] [--every N] [--each] ADAPTER ...
(adapters: RESULTS/tasks/ID/adapter; "-" is the untouched model)
"""

import argparse
import csv
import json
import math
import os
import statistics
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
DATASET = os.path.join(SOURCE, "jobs/datasets/gender-us-real/targets.csv")


def wordings_of(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as lines:
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def subjects(every):
    """Placeholders and target shares."""
    with open(DATASET, encoding="utf-8", newline="") as rows:
        for row in list(csv.DictReader(rows))[::every]:
            article = "an" if row["@role"][0] in "aeiou" else "a"
            counts = [float(row["Male"]), float(row["Female"])]
            yield ({"{role}": row["@role"], "{a_role}": f"{article} {row['@role']}", "{country}": row["@country"]},
                   [count / sum(counts) for count in counts])


def filled(wording, values):
    for placeholder, value in values.items():
        wording = wording.replace(placeholder, value)
    return wording[0].upper() + wording[1:]


def digit_shares(options, adapter, prompts):
    """The probability of either digit after each prompt."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as rows:
        for prompt in prompts:
            for answer in ("0 Male", "1 Female"):
                rows.write(json.dumps({"prompt": [{"role": "user", "content": prompt}], "answer": answer}) + "\n")
        rows.flush()
        words = [options.program, "score", options.model, rows.name] + ([] if adapter == "-" else ["--adapter", adapter])
        lines = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    first = [math.exp(json.loads(line)["log_probs"][0]) for line in lines]
    return list(zip(first[0::2], first[1::2]))


def study(options, adapter, name):
    wordings, people = wordings_of(name), list(subjects(options.every))
    shares = digit_shares(options, adapter, [filled(wording, values) for wording in wordings for values, _ in people])
    rows = [shares[i:i + len(people)] for i in range(0, len(shares), len(people))]  # one a wording
    shifts = [statistics.mean(math.log(p0 / p1) - math.log(target[0] / target[1])
                              for (p0, p1), (_, target) in zip(row, people)) for row in rows]
    errors = [abs(statistics.mean(row[s][j] for row in rows) - target[j]) for s, (_, target) in enumerate(people) for j in (0, 1)]
    coverage = statistics.mean(sum(pair) for pair in shares)
    print(f"{name:16} error {statistics.mean(errors):.3f}  shift {statistics.mean(shifts):+.3f}, "
          f"single wordings {statistics.pstdev(shifts):.3f}  coverage {coverage:.3f}  {adapter}", flush=True)
    if options.each:
        for shift, wording in zip(shifts, wordings):
            print(f"    {shift:+.2f}  {wording}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.path.join(SOURCE, "build/cpu/apportion"))
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="ask about one occupation in N")
    parser.add_argument("--each", action="store_true", help="the shift of each wording")
    parser.add_argument("adapters", nargs="+", metavar="ADAPTER")
    options = parser.parse_args()
    for adapter in options.adapters:
        for name in ("ten-styles.txt", "formats.txt"):
            study(options, adapter, name)


if __name__ == "__main__":
    main()
