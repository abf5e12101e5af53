"""Shares, errors and divergences of a measured test set, and what training changed elsewhere: the formulas of
shared/measure/metrics.cpp and retention.cpp in the same order of operations, so the numbers are the same. Names are those of
docs/metrics.md; NaN where a value has no meaning."""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Iterable, Sequence

from .task_file import UNPARSED, Measure, Retention

NAN = math.nan
MOST_UNEXPLORED = 0.5  # of the probability; beyond this the bounds of exact shares say nothing
NEGLIGIBLE = 1e-30  # weights of a binomial distribution, relative to the largest

SUBJECT_METRICS = ("mae", "floor", "exact_error", "exact_error_per_wording", "expected_mae", "kl", "coverage", "unexplored",
                   "unparsed_share", "no_story_share", "failed_share")  # fmt: skip
SET_METRICS = ("mae", "mae_deviation", "floor", "exact_error", "worst_exact_error", "exact_error_per_wording", "expected_mae", "kl",
               "coverage", "agreement", "correlation", "unexplored", "unparsed_share", "no_story_share", "failed_share")  # fmt: skip
GROUP_METRICS = ("prompts", "kl_per_token", "base_leak", "leak", "added_leak")

# The text with which an answer begins for each category, by kind of steering (shared/data/example.cpp).
STEERING_WORDS = ("Name", "Type", "Value", "Key", "Code", "Map", "Set", "List", "Data", "File",
                  "Text", "Image", "Table", "Item", "Object", "Result", "Test", "Model", "Method", "Class",
                  "Level", "Point", "Group", "Title", "Time", "Page", "Line", "Word", "Note", "Part",
                  "Step", "Case", "Form", "Section", "Figure", "Example", "Event", "User", "Index", "Node")  # fmt: skip
STEERING = [string.digits, string.ascii_uppercase, STEERING_WORDS]


class SubjectMetrics:
    """Metrics of one subject: `observed`, the ends of its 95% interval, `exact_low` and `exact_high` have a share per category
    ([] if no round has a category), the others are by name."""

    def __init__(self) -> None:
        self.observed: list[float] = []
        self.observed_low: list[float] = []
        self.observed_high: list[float] = []
        self.exact_low: list[float] = []
        self.exact_high: list[float] = []
        self.values: dict[str, float] = dict.fromkeys(SUBJECT_METRICS, NAN)


def share_interval(share: float, draws: int) -> tuple[float, float]:
    """Wilson's 95% interval for the share behind `draws` draws (shared/statistics/interval.cpp)."""
    z = 1.959963984540054
    square = z * z / draws
    middle = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / draws + square / (4 * draws)) / (1 + square)
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def subject_metrics(measure: Measure) -> list[SubjectMetrics]:
    """The metrics of each subject. STORED_METRICS come from the file if the target is the file's own."""
    arrays = measure.arrays
    low, unexplored = arrays["/exact/low"].tolist(), arrays["/exact/unexplored"].tolist()
    steering, counts, targets = arrays["/exact/steering"].tolist(), measure.counts.tolist(), measure.target.tolist()
    found = []
    for s in range(len(targets)):
        target = [] if math.isnan(targets[s][0]) else targets[s]
        subject = SubjectMetrics()
        stored: dict[str, float] = {}
        if measure.has_own_target:
            stored = {name: float(column[s]) for name, column in measure.stored.items()}
        rounds = [sum(column) for column in zip(*counts[s])]
        fill_sampled(subject, rounds, target, stored)
        fill_exact(subject, low[s], unexplored[s], target, sum(rounds), stored)
        subject.values["coverage"] = sum_in_order(sum_in_order(q) / len(steering[s]) for q in steering[s])
        found.append(subject)
    return found


def sum_in_order(values: Iterable[float]) -> float:
    """Adds from first to last, rounding each sum: Python's own sum() is more exact from version 3.12 on."""
    total = 0.0
    for value in values:
        total += value
    return total


def fill_sampled(subject: SubjectMetrics, rounds: list[int], target: list[float], stored: dict[str, float]) -> None:
    """`rounds` by category, then unparsed, cut, no story, failed."""
    categories, total = len(rounds) - 4, sum(rounds)
    parsed, values = sum(rounds[:categories]), subject.values
    if total > 0:
        if target:
            values["floor"] = stored["floor"] if "floor" in stored else expected_mae(target, target, total)
        lost = {"unparsed_share": total - parsed, "no_story_share": rounds[-2], "failed_share": rounds[-1]}
        values.update({name: count / total for name, count in lost.items()})
    else:
        values.update(dict.fromkeys(("unparsed_share", "no_story_share", "failed_share"), 0.0))
    if parsed == 0:
        return
    subject.observed = [count / parsed for count in rounds[:categories]]
    ends = [share_interval(share, parsed) for share in subject.observed]
    subject.observed_low, subject.observed_high = [low for low, _ in ends], [high for _, high in ends]
    if target:
        values["mae"] = sum_in_order(abs(share - wanted) for share, wanted in zip(subject.observed, target)) / categories
        values["kl"] = divergence(target, renormalised([count + 0.5 for count in rounds[:categories]]))


def fill_exact(subject: SubjectMetrics, low: list[list[float]], unexplored: list[float], target: list[float], rounds: int,
               stored: dict[str, float]) -> None:  # fmt: skip
    """`low` is [P][K], `unexplored` [P]. The KL of exact shares, if there is one, replaces that of the rounds."""
    wordings, values = len(low), subject.values
    high = [[min(1.0, share + left) for share in shares] for shares, left in zip(low, unexplored)]
    subject.exact_low = [sum_in_order(share / wordings for share in column) for column in zip(*low)]
    subject.exact_high = [sum_in_order(share / wordings for share in column) for column in zip(*high)]
    values["unexplored"] = sum_in_order(left / wordings for left in unexplored)
    if not target or values["unexplored"] > MOST_UNEXPLORED:
        return
    values["exact_error"] = bound_error(subject.exact_low, subject.exact_high, target)
    values["exact_error_per_wording"] = sum_in_order(bound_error(*bounds, target) / wordings for bounds in zip(low, high))
    shares = renormalised(subject.exact_low)
    if shares and rounds > 0:
        values["expected_mae"] = stored["expected_mae"] if "expected_mae" in stored else expected_mae(shares, target, rounds)
    kl = divergence(target, shares)
    if not math.isnan(kl):
        values["kl"] = kl


def bound_error(low: Sequence[float], high: Sequence[float], target: Sequence[float]) -> float:
    """Mean over categories of the larger distance of either bound from the target."""
    return sum_in_order(max(abs(a - wanted), abs(b - wanted)) for a, b, wanted in zip(low, high, target)) / len(target)


def renormalised(shares: list[float]) -> list[float]:
    total = sum_in_order(shares)
    return [share / total for share in shares] if total > 0 else []


def divergence(target: list[float], shares: list[float]) -> float:
    """KL(target, shares) in nats; NaN where it would be infinite."""
    total = 0.0
    for j, wanted in enumerate(target):
        if wanted <= 0:
            continue
        if not shares or shares[j] <= 0:
            return NAN
        total += wanted * math.log(wanted / shares[j])
    return max(0.0, total)


def expected_mae(shares: list[float], target: list[float], rounds: int) -> float:
    """Mean over categories of E|X/N - target|, X ~ Binomial(N, share)."""
    return sum_in_order(expected_absolute_error(share, wanted, rounds) for share, wanted in zip(shares, target)) / len(target)


@functools.lru_cache(maxsize=10_000)
def expected_absolute_error(share: float, target: float, rounds: int) -> float:
    """E|X/N - target|. Weights are relative to the mode's and computed from their neighbours', so nothing overflows."""
    if share <= 0:
        return target
    if share >= 1:
        return 1 - target
    odds = share / (1 - share)
    mode = min(rounds, int((rounds + 1) * share))
    weights = errors = 0.0
    weight, k = 1.0, mode
    while k <= rounds and weight > NEGLIGIBLE:
        weights += weight
        errors += weight * abs(k / rounds - target)
        weight *= (rounds - k) / (k + 1) * odds
        k += 1
    weight, k = 1.0, mode
    while k > 0:
        weight *= k / (rounds - k + 1) / odds
        if weight <= NEGLIGIBLE:
            break
        k -= 1
        weights += weight
        errors += weight * abs(k / rounds - target)
    return errors / weights


def set_metrics(measure: Measure, subjects: list[SubjectMetrics]) -> dict[str, float]:
    """Means over the subjects that have the value, how many have one, and the metrics that only a whole test set has."""
    present = {name: [s.values[name] for s in subjects if not math.isnan(s.values[name])] for name in SUBJECT_METRICS}
    known = sum(not math.isnan(row[0]) for row in measure.target)
    found = dict.fromkeys(SET_METRICS, NAN)
    for name in ("mae", "exact_error", "exact_error_per_wording", "expected_mae", "kl"):
        found[name] = mean(present[name])
    for name in ("coverage", "unexplored", "unparsed_share", "no_story_share", "failed_share"):
        found[name] = sum_in_order(s.values[name] / len(subjects) for s in subjects)
    if present["floor"]:
        found["floor"] = sum_in_order(floor / known for floor in present["floor"])
    found["mae_deviation"] = deviation(present["mae"])
    found["worst_exact_error"] = max(present["exact_error"], default=NAN)
    found["agreement"] = agreement(measure)
    found["correlation"] = correlation(measure, subjects)
    if not measure.record.reads_stories:
        found["no_story_share"] = NAN
    if not measure.record.is_judged:
        found["failed_share"] = NAN
    found["subjects_with_mae"], found["subjects_with_exact"] = len(present["mae"]), len(present["exact_error"])
    return found


def mean(values: Sequence[float]) -> float:
    return sum_in_order(values) / len(values) if values else NAN


def deviation(values: Sequence[float]) -> float:
    if len(values) < 2:
        return NAN
    middle = mean(values)
    return math.sqrt(sum_in_order((value - middle) * (value - middle) for value in values) / (len(values) - 1))


def agreement(measure: Measure) -> float:
    """Of the rounds that begin with a category's steering text and a blank, the share whose text names that category."""
    arrays = measure.arrays
    begins = [tuple(kind[j] + " " for kind in STEERING if j < len(kind)) for j in range(len(measure.categories))]
    steered = agreeing = 0
    for text, category, count in zip(arrays["/answers/text"], arrays["/answers/category"].tolist(), arrays["/answers/count"].tolist()):
        for j, texts in enumerate(begins):
            if texts and text.startswith(texts):
                steered += count
                agreeing += count if category == j else 0
    return agreeing / steered if steered else NAN


def correlation(measure: Measure, subjects: list[SubjectMetrics]) -> float:
    """Pearson's correlation between a category's exact shares and its targets; the mean over categories whose targets differ."""
    targets = measure.target.tolist()
    rows = [s for s, subject in enumerate(subjects) if not math.isnan(subject.values["exact_error"])]
    if len(rows) < 3:
        return NAN
    found = []
    for j in range(len(measure.categories)):
        one = pearson([(subjects[s].exact_low[j] + subjects[s].exact_high[j]) / 2 for s in rows], [targets[s][j] for s in rows])
        if not math.isnan(one):
            found.append(one)
    return mean(found)


def pearson(x: list[float], y: list[float]) -> float:
    same = 1e-18  # squared difference that rounding may leave between equal shares
    mean_x, mean_y = mean(x), mean(y)
    xx = sum_in_order((a - mean_x) * (a - mean_x) for a in x)
    yy = sum_in_order((b - mean_y) * (b - mean_y) for b in y)
    xy = sum_in_order((a - mean_x) * (b - mean_y) for a, b in zip(x, y))
    return NAN if xx < same or yy < same else xy / math.sqrt(xx * yy)


def judges_agreement(one: Measure, other: Measure) -> dict[str, float] | None:
    """Rounds that both have judged, the share on which they agree, and Cohen's kappa; None if their answers differ or there are
    no such rounds."""
    names = ("/answers/text", "/answers/count", "/answers/subject", "/answers/prompt")
    if one.categories != other.categories or one.counts.shape != other.counts.shape:
        return None
    if not all(one.arrays[name].tolist() == other.arrays[name].tolist() for name in names):
        return None
    size = len(one.categories) + 1
    by_one, by_other, total, same = [0] * size, [0] * size, 0, 0
    verdicts = zip(*(m.arrays["/answers/category"].tolist() for m in (one, other)), one.arrays["/answers/count"].tolist())
    for first, second, count in verdicts:
        if first < UNPARSED or second < UNPARSED:
            continue
        by_one[first] += count  # UNPARSED, -1, indexes the last entry
        by_other[second] += count
        total += count
        same += count if first == second else 0
    if total == 0:
        return None
    share = same / total
    chance = sum_in_order(a / total * (b / total) for a, b in zip(by_one, by_other))
    return {"rounds": total, "share": share, "kappa": (share - chance) / (1 - chance) if 1 - chance > 1e-12 else NAN}


RetentionRow = tuple[str, float, float, float, float]  # kind, tokens, kl, base_leak, leak of a keep prompt


def retention_rows(retention: Retention) -> list[RetentionRow]:
    names = ("tokens", "kl", "base_leak", "leak")
    return list(zip(retention.keep["kind"], *(retention.keep[name].tolist() for name in names)))


def is_near(kind: str) -> bool:
    return kind.startswith("near: ")


def retention_groups(retention: Retention) -> dict[str, dict[str, float]]:
    """GROUP_METRICS of "unrelated" prompts and of "near" misses."""
    rows = retention_rows(retention)
    groups = {
        "unrelated": [row for row in rows if not is_near(row[0])],
        "near": [row for row in rows if is_near(row[0])],
    }
    return {name: group_metrics(members) for name, members in groups.items()}


def retention_kinds(retention: Retention) -> dict[str, dict[str, float]]:
    """GROUP_METRICS of each kind of keep prompts."""
    rows = retention_rows(retention)
    kinds = sorted(set(retention.keep["kind"]), key=str.encode)
    return {kind: group_metrics([row for row in rows if row[0] == kind]) for kind in kinds}


def group_metrics(rows: list[RetentionRow]) -> dict[str, float]:
    prompts = max(1, len(rows))
    _, tokens, kl, base_leak, leak = zip(*rows) if rows else ((), (), (), (), ())
    added = sum_in_order(max(0.0, after - before) for before, after in zip(base_leak, leak))
    return {
        "prompts": len(rows),
        "kl_per_token": sum_in_order(kl) / max(1.0, sum_in_order(tokens)),
        "base_leak": sum_in_order(base_leak) / prompts,
        "leak": sum_in_order(leak) / prompts,
        "added_leak": added / prompts,
    }


def retention_summary(retention: Retention) -> dict[str, float]:
    """Perplexities of the plain text and shares of easy questions; 0 if there is no text or no question."""
    tokens = sum_in_order(retention.text["tokens"].tolist())
    base, after = (math.exp(sum_in_order(retention.text[name].tolist()) / tokens) if tokens > 0 else 0.0 for name in ("base_nll", "nll"))
    questions = len(retention.questions["text"])
    base_mass, mass = (sum_in_order(share / questions for share in retention.questions[name].tolist()) for name in ("base_mass", "mass"))
    return {"base_perplexity": base, "perplexity": after, "perplexity_ratio": after / base if base else NAN,
            "base_easy_mass": base_mass, "easy_mass": mass}  # fmt: skip
