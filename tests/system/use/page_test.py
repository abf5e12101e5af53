"""The page of a results folder as a browser shows it: nothing on its console, nothing fetched, no sideways scrolling at
1280 and 400 pixels, a text for every figure, enough contrast in light and dark. Dots are where the HDF5 files' numbers put
them, tables agree with JSON and CSV; names of any kind; folders that are empty, incomplete or damaged; many cells."""

import contextlib
import csv
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parent)]
from browser import Browser  # noqa: E402
from common import HOSTILE, UNIT_TESTS, call, write_small_job  # noqa: E402

NAMES = HOSTILE | {"=1+1": "ring"}
ALTERNATIVES = """[...document.querySelectorAll('svg')].filter(svg => svg.getAttribute('aria-hidden') !== 'true' &&
  !(svg.getAttribute('role') === 'img' && svg.getAttribute('aria-label').length > 20)).length"""
# The lowest contrast (WCAG 2's ratio) of any visible text's colour against the nearest background behind it.
CONTRAST = """(() => {
  const rgb = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = (c) => { const f = c.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  let texts = [], marks = [];
  for (const e of document.querySelectorAll('body *')) {
    if (e.closest('svg, script')) continue;
    if ([...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
      texts.push([ratio(rgb(getComputedStyle(e).color), behind(e)), e.tagName + ': ' + e.textContent.slice(0, 40)]);
  }
  for (const e of document.querySelectorAll('line.target, line.interval, circle.before, circle.after, path.line, path.points')) {
    const style = getComputedStyle(e), paint = e.classList.contains('after') ? style.fill : style.stroke;
    marks.push([ratio(rgb(paint), behind(e)), e.tagName + '.' + e.getAttribute('class')]);
  }
  const least = (list) => list.sort((a, b) => a[0] - b[0])[0];
  return {texts: texts.length, text: least(texts), marks: marks.length, mark: marks.length ? least(marks) : [99, '']};
})()"""
# For each line of a plot: its text, and where its dots and target are.
DOTS = """[...document.querySelectorAll('svg.dots')].map(svg => {
  const at = (kind, key) => { const mark = svg.querySelector(kind); return mark ? parseFloat(mark.getAttribute(key)) : null; };
  return {words: svg.getAttribute('aria-label'), target: at('line.target', 'x1'), before: at('circle.before', 'cx'),
          after: at('circle.after', 'cx'), interval: [at('line.interval', 'x1'), at('line.interval', 'x2')]}; })"""
# Tables by caption: rows of numbers, or text for entries that are not numbers.
TABLES = """Object.fromEntries([...document.querySelectorAll('table')].map(table => [table.caption.textContent,
  [...table.rows].map(row => [...row.cells].map(cell => 'v' in cell.dataset ? Number(cell.dataset.v) : cell.textContent))]))"""


def page_of(folder, *words, code=0):
    call("report", folder, "--html", "page.html", *words, code=code)
    return pathlib.Path("page.html").read_text(encoding="utf-8")


def look(browser, path="page.html"):
    """Checks what must hold for every page."""
    for width in (1280, 400):
        for dark in (False, True):
            browser.open(path, width, dark=dark)
            browser.ask("document.querySelectorAll('details').forEach(part => part.open = true)")
            where = f"{path}, {width} pixels, {'dark' if dark else 'light'}"
            if width == 1280 and not dark:
                fetched = [m for m in browser.messages if m[0] == "Network.requestWillBeSent"]
                assert len(fetched) == 1, (where, "the page fetches something", fetched)
            said = [m for m in browser.messages if m[0] != "Network.requestWillBeSent"]
            assert not said, (where, said)
            wide = browser.ask("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert wide[0] <= wide[1], (where, "scrolls sideways", wide)
            assert browser.ask(ALTERNATIVES) == 0, (where, "a figure has no words")
            found = browser.ask(CONTRAST)
            assert found["texts"] > 5 and found["text"][0] >= 4.5, (where, found)
            assert found["mark"][0] >= 3, (where, found)


def place(share):
    return 1.5 + 97 * share


def shares_of(file):
    """Each subject's exact bounds, and sampled shares with the number of rounds behind them; None if too little is known."""
    low, unexplored = file["exact/low"][:], file["exact/unexplored"][:]
    high = file["exact/high"][:]
    counts = file["rounds/counts"][:].sum(axis=1).astype(float)
    categories = low.shape[2]
    found = []
    for s in range(low.shape[0]):
        exact = (low[s].mean(axis=0) + high[s].mean(axis=0)) / 2 if unexplored[s].mean() <= 0.5 else None
        parsed = counts[s][:categories].sum()
        sampled = counts[s][:categories] / parsed if parsed >= 0.5 * counts[s].sum() else None
        found.append((exact, sampled, parsed))
    return found


def dots_are_the_files(browser, folder, cell, test_set):
    """The dots are where the file's numbers put them. The first plots on a one-cell page show its first test set."""
    with h5py.File(f"{folder}/index.h5") as index:
        group = index[cell]
        after, before = group[f"after/{test_set}"], group[f"before/{test_set}"]
        target = after["target"][:]
        subjects = after["subjects"].asstr()[:]
        categories = after["categories"].asstr()[:]
        trained, untouched = shares_of(after), shares_of(before)
    lines = browser.ask(DOTS)
    shown = range(1) if len(categories) == 2 else range(len(categories))
    seen = 0
    for (s, j), line in zip([(s, j) for s in range(len(subjects)) for j in shown], lines):
        assert line["words"].startswith(subjects[s].replace("\n", " ") + ", " + categories[j]), (line, subjects[s])
        assert abs(line["target"] - place(target[s][j])) < 6e-4, (line, target[s])
        for name, (exact, sampled, parsed) in (("before", untouched[s]), ("after", trained[s])):
            wanted = exact if exact is not None else sampled
            assert (line[name] is None) == (wanted is None), (name, line)
            if wanted is not None:
                assert abs(line[name] - place(wanted[j])) < 6e-4, (name, line, wanted)
                seen += 1
        if trained[s][1] is not None:
            share, n, z = trained[s][1][j], trained[s][2], 1.959963984540054
            middle = (share + z * z / (2 * n)) / (1 + z * z / n)
            half = z * numpy.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
            ends = [place(max(0, middle - half)), place(min(1, middle + half))]
            assert numpy.allclose(line["interval"], ends, atol=1e-3), (line, ends)
    return seen


def tables_say_what_json_and_csv_say(browser, folder):
    tables = browser.ask(TABLES)
    (cell,) = json.loads(call("report", folder, "--json").stdout)["cells"]
    heading, *rows = tables["Means over subjects"]
    names = {"exact error": "exact_error", "worst": "worst_exact_error", "MAE": "mae", "floor": "floor", "KL": "kl", "coverage": "coverage",
             "one wording": "exact_error_per_wording", "expected": "expected_mae", "unexplored": "unexplored", "unparsed": "unparsed_share"}
    measures = {f"{m['when']}, {m['test_set']}": m for m in cell["measures"]}
    assert {row[0] for row in rows} == set(measures), rows
    for row in rows:
        for at, name in [(at, names[word]) for at, word in enumerate(heading) if word in names]:
            value = measures[row[0]][name]
            assert row[at] == "-" if value is None else abs(row[at] - value) <= 1e-8, (row[0], name, row[at], value)
    heading, *rows = tables["The same in numbers, v2"]
    text = call("export", folder, "--csv", "-").stdout
    counted = {}
    for line in csv.DictReader(io.StringIO(text)):
        if (line["test_set"], line["outcome"]) == ("v2", "category"):
            tally = counted.setdefault((line["when"], line["subject"]), {})
            tally[line["category"]] = tally.get(line["category"], 0) + int(line["count"])
    first = cell["measures"][0]["categories"][0]
    seen = 0
    for row in rows:
        for when in ("before", "after"):
            tally, shown = counted[when, row[0]], row[heading.index(f"{when}, {first}")]
            if shown != "-":
                assert abs(shown - tally[first] / sum(tally.values())) < 1e-8, (row, tally)
                seen += 1
    assert seen > 0, rows


def mid_p(count, rounds, share):
    """The mid-P value of a binomial count: P(less probable counts) + P(equally probable counts) / 2."""
    k = numpy.arange(rounds + 1)
    log_factorial = numpy.concatenate([[0.0], numpy.cumsum(numpy.log(numpy.arange(1, rounds + 1)))])
    logs = log_factorial[-1] - log_factorial - log_factorial[::-1] + k * numpy.log(share) + (rounds - k) * numpy.log1p(-share)
    weights = numpy.exp(logs)
    return weights[logs < logs[count] - 1e-7].sum() + weights[abs(logs - logs[count]) <= 1e-7].sum() / 2


def halls_interval(values):
    n, t = len(values), {14: 2.1603686564610127}[len(values)]
    centred = values - values.mean()
    skewness = (centred**3).mean() / (centred**2).mean() ** 1.5 * numpy.sqrt(n * (n - 1)) / (n - 2)
    inverse = [3 / skewness * (numpy.cbrt(1 + skewness * (y - skewness / (6 * n))) - 1) for y in (t / n**0.5, -t / n**0.5)]
    return [values.mean() - values.std(ddof=1) * w for w in inverse]


def chances_are_those_of_the_files(browser, folder):
    """Intervals and tests, recomputed from the counts in the file."""
    (cell,) = json.loads(call("report", folder, "--json").stdout)["cells"]
    measure = next(m for m in cell["measures"] if (m["when"], m["test_set"]) == ("after", "v2"))
    with h5py.File(f"{folder}/tasks/{measure['task']}/result.h5") as group:
        counts, target = group["rounds/counts"][:].sum(axis=1)[:, :2].astype(int), group["target"][:]
    for subject, (tally, wanted) in zip(measure["subjects"], zip(counts, target)):
        assert abs(subject["p_value"] - mid_p(tally[0], tally.sum(), wanted[0])) < 1e-9, subject
    passes = sum(subject["p_value"] >= 0.05 for subject in measure["subjects"])
    assert (measure["passes"], measure["tested"]) == (passes, len(counts)) and 0 < passes, measure
    for name in ("mae", "exact_error"):
        ends = halls_interval(numpy.array([subject[name] for subject in measure["subjects"]]))
        assert numpy.allclose([measure[name + "_low"], measure[name + "_high"]], ends, atol=1e-12), (name, ends)
    assert measure["floor"] < measure["detectable"] < 2 * measure["floor"], measure
    row = next(row for row in browser.ask(TABLES)["How much of it may be chance"] if row[0] == "after, v2")
    wanted = [measure["exact_error_low"], measure["mae_low"], measure["detectable"], passes, measure["passes_of_perfect"]]
    assert numpy.allclose(row[1:], wanted, atol=1e-8), (row, wanted)
    words = browser.ask("document.body.innerText")
    for text in (f"{measure['mae_low']:.3f} to {measure['mae_high']:.3f}", f"{passes} of {len(counts)}"):
        assert text in words and text in call("report", folder).stdout, text


def plain_job(browser):
    """A run leaves its page; a report writes the same one."""
    call("run", "small.ini", "--output", "run", "--retention=true")
    text = page_of("run")
    assert pathlib.Path("run/report.html").read_text(encoding="utf-8") == text, "the run's page is another one"
    assert len(text.encode()) < 300_000, len(text)
    look(browser)
    browser.open("page.html", 1280)
    assert dots_are_the_files(browser, "run", "jobs/small/colours-full", "v2") >= 0
    assert browser.ask("document.querySelectorAll('figure.chart').length") >= 6
    assert "lora_rank = 4\n" in text and "sft_steps = 3\n" in text, "the job file that makes it again"
    with h5py.File("run/index.h5") as index:
        assert index["jobs/small/colours-full/training/calibrate"].attrs["adapter_digest"] in text
    assert call("report", "run", "--html", "-").stdout == text
    words = browser.ask("document.body.innerText")
    browser.open("page.html", 1280, scripts=False)
    assert browser.ask("document.body.innerText") == words, "another page without scripts"
    call("report", "run", "--html", "x.html", "--fail-if", "floor_of_nothing > 1", code=2)
    assert not os.path.exists("x.html")
    call("report", "run", "--html", "x.html", "--fail-if", "perplexity > 0.0001", code=4)
    call("report", "run", "--html", "x.html", "--json", code=2)


def known_numbers(browser):
    """Sample results whose shares are known before and after."""
    subprocess.run([UNIT_TESTS, "--gtest_filter=ExportCsv.WritesSampleResultsForPeers"], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"APPORTION_PEER_RESULTS": "sample"})
    page_of("sample")
    look(browser)
    for cell in ("gender-us-real-full", "race-us-even-full"):
        page_of("sample", "--cell", cell)
        browser.open("page.html", 1280)
        found = dots_are_the_files(browser, "sample", f"jobs/smoke/{cell}", "v2")
        assert found == (28 if cell.startswith("gender") else 140), found
    with h5py.File("sample/index.h5", "r") as index:
        only = index["jobs/smoke"]
        assert len(only) == 2
    os.makedirs("one/tasks")
    with h5py.File("sample/index.h5") as index:
        ids = [index[f"jobs/smoke/gender-us-real-full/{name}"].attrs["task"]
               for name in ("before/v2", "after/v2", "after/heldout", "training/sft", "training/calibrate")]
    for task in ids:
        shutil.copytree(f"sample/tasks/{task}", f"one/tasks/{task}")
    page_of("one")
    browser.open("page.html", 1280)
    tables_say_what_json_and_csv_say(browser, "one")
    chances_are_those_of_the_files(browser, "one")
    (answers,) = [rows for caption, rows in browser.ask(TABLES).items() if caption.startswith("before, v2: 1400 rounds")]
    kinds = [row[1] for row in answers[1:]]
    assert kinds.index("Male") >= 2 and set(kinds[:2]) == {"none", "cut"}, ("wrong answers first", answers)
    assert sum(row[2] for row in answers[1:]) == 1400, answers


def hostile_names(browser):
    shutil.copytree("colours", "hostile")
    with open("hostile/targets.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["subject", "red", "blue", "@thing"])
        for number, (name, thing) in enumerate(NAMES.items()):
            writer.writerow([name, 1 + number, 3, thing])
    call("run", "small.ini", "--dataset", "hostile", "--output", "names")
    text = page_of("names")
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text
    look(browser)
    browser.open("page.html", 1280)
    names = browser.ask("[...document.querySelectorAll('.subject')].map(label => label.textContent)")
    assert names[: len(NAMES)] == [name.strip() for name in NAMES], names
    tall = browser.ask("Math.max(...[...document.querySelectorAll('.row')].map(row => row.getBoundingClientRect().height))")
    assert tall < 100, f"a name makes a row {tall} pixels tall"
    direction = browser.ask("getComputedStyle([...document.querySelectorAll('.subject bdi')][1]).direction")
    assert direction == "rtl", direction


def study(browser):
    """A scaling study's page: its charts show the speed and efficiency of its JSON, with a line for each shard size."""
    pathlib.Path("study.ini").write_text(
        "scale_shapes = layers=2,width=64,heads=4,kv_heads=2,ffn=96,vocabulary=1000\nscale_ranks = 1,2\nscale_shard_sizes = 1,2\n"
        "scale_tokens = 160\nscale_steps = 2\nmicro_batches = 2\nthreads = 1\nplan_machine = cpu\n", encoding="utf-8")  # fmt: skip
    call("scale", "study.ini", "--output", "study", ranks=2)
    rows = json.loads(call("scale", "study.ini", "--output", "study", "--json").stdout)["rows"]
    look(browser, "study/scaling.html")
    charts = browser.ask("""[...document.querySelectorAll('figure.chart')].map(chart => ({title: chart.querySelector('figcaption').textContent,
        words: chart.querySelector('svg[role=img]').getAttribute('aria-label'),
        lines: [...chart.querySelectorAll('path.line')].filter(path => !path.closest('.keys')).map(path => path.getAttribute('d'))}))""")
    assert len(charts) == 4 and len(rows) == 6, (charts, rows)
    for scaling, (speed, efficiency) in {"weak": charts[:2], "strong": charts[2:]}.items():
        assert scaling in speed["title"] and scaling in efficiency["title"], charts
        for size in (1, 2):
            line = [row for row in rows if row["scaling"] == scaling and row["shard_size"] == size]
            said = " ".join(f"{row['tokens_per_second']:.4g} on {row['ranks']}," for row in line).rstrip(",")
            assert f"shards {size}: {said} ranks;" in speed["words"], (said, speed["words"])
            if size == 1:  # from 1, at the top of the chart, down to the efficiency of two ranks
                tops = [float(y) for y in re.findall(r"[ML][0-9.]+ ([0-9.]+)", efficiency["lines"][0])]
                most = max(1, *(row["efficiency"] for row in rows if row["scaling"] == scaling))
                for top, row in zip(tops, line, strict=True):
                    assert abs(top - (144 - 138 * row["efficiency"] / most)) < 0.1, (top, row)


def folders_of_other_kinds(browser):
    assert "is not a directory" in call("report", "nowhere", "--html", "x.html", code=2).stderr
    os.mkdir("empty")
    assert "no result here yet" in page_of("empty")
    look(browser)
    with h5py.File("run/index.h5") as index:
        task = index["jobs/small/colours-full/after/v2"].attrs["task"]
    shutil.copytree("run", "partial")
    os.remove(f"partial/tasks/{task}/result.h5")
    text = page_of("partial", code=2)
    assert re.search(r"Job small: \d of \d tasks are done, 0 at work, 1 waiting, 0 failed", text), text[:6000]
    assert f"tasks/{task}/result.h5" in text
    look(browser)
    with open(f"partial/tasks/{task}/result.h5", "wb") as file:
        file.write(b"damaged")
    assert "not a file that apportion wrote" in page_of("partial", code=2)
    # Stage 1 of one cell cannot be saved: the run leaves a page with the other cell, which says so.
    with h5py.File("run/index.h5") as index:
        task = index["jobs/small/colours-full/training/sft"].attrs["task"]
    os.makedirs(f"failed/tasks/{task}")
    pathlib.Path(f"failed/tasks/{task}/adapter").write_text("in the way")
    call("run", "small.ini", "--output", "failed", "--sweep", "seed=0..1", code=2)
    text = pathlib.Path("failed/report.html").read_text(encoding="utf-8")
    assert "stage 1 (seed=0) failed: " in text and f"{task}/adapter" in text, text[:9000]
    assert "seed=1" in text, text
    look(browser, "failed/report.html")


def many_cells(browser):
    """A page of more cells than it can show in full: groups, the worst cells, and all of them in a separate CSV."""
    subprocess.run([UNIT_TESTS, "--gtest_filter=CellFigures.WritesASampleSweepForTheProgram"], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"APPORTION_SAMPLE_SWEEP": "swept", "APPORTION_SAMPLE_SEEDS": "13"})
    page_of("swept")
    look(browser)
    browser.open("page.html", 1280)
    assert browser.ask("document.querySelectorAll('details.cell').length") == 20
    first = browser.ask("document.querySelector('details.cell h2').textContent")
    assert first == "target=0.9:0.1, seed=12", ("the worst one first", first)
    with open("page.csv", encoding="utf-8", newline="") as file:
        rows = {row["cell"]: row for row in csv.DictReader(file)}
    cells = json.loads(call("report", "swept", "--json").stdout)["cells"]
    assert len(rows) == len(cells) == 26
    for cell in cells:
        row = rows[cell["cell"]]
        assert float(row["exact_error"]) == cell["measures"][-1]["exact_error"], row
        assert float(row["added_leak"]) == cell["retention"]["unrelated"]["added_leak"], row
    shown = {row[0]: row for row in browser.ask(TABLES)["Cells"][1:]}
    at = browser.ask(TABLES)["Cells"][0].index("exact error")
    assert all(abs(shown[name][at] - float(rows[name]["exact_error"])) < 1e-8 for name in rows), shown
    # A click on a heading sorts by it.
    sort = "(() => {{ const t = document.querySelector('table.sortable'); t.tHead.rows[0].cells[{0}].click(); " \
        "return [...t.tBodies[0].rows].map(row => Number(row.cells[{0}].dataset.v)); }})()".format(at)
    up, down = browser.ask(sort), browser.ask(sort)
    assert up == sorted(up) and down == sorted(down, reverse=True) and len(up) == 26, (up, down)


def main():
    with Browser() as browser:
        plain_job(browser)
        known_numbers(browser)
        study(browser)
        hostile_names(browser)
        folders_of_other_kinds(browser)
        many_cells(browser)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
        write_small_job(work)
        main()
