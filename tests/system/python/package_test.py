"""The Python reader as a package: a wheel is built from python/, installed into a fresh environment and used there. The
notebook in docs/ and the examples on its page run on small results; figures have their dots where the page has them; mypy
finds nothing; without matplotlib one line says what is missing."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv

import h5py  # noqa: F401  so that this runs in the peers' environment

SOURCE = pathlib.Path(os.environ["APPORTION_SOURCE"])
sys.path.append(str(SOURCE / "tests/system"))
from common import UNIT_TESTS, call, write_small_job  # noqa: E402

# Matplotlib's list of fonts takes seconds to make, so it is kept with the build.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
ENVIRONMENT |= {"MPLBACKEND": "Agg", "MPLCONFIGDIR": os.path.join(os.environ["APPORTION_BUILD"], "tests", "matplotlib")}
# Runs each page's pieces of code in order; if one ends with an expression, formats its value as a notebook would.
RUN_PIECES = """
import ast, json, sys, warnings
warnings.simplefilter("error")
shown = {}
for page, pieces in json.load(sys.stdin).items():
    names = {"print": lambda *words: None}
    for piece in pieces:
        tree = ast.parse(piece)
        last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, page, "exec"), names)
        value = eval(compile(last, page, "eval"), names) if last is not None else None
        shown.setdefault(page, []).append(getattr(value, "_repr_html_", value.__repr__)())
json.dump(shown, sys.stdout)
"""
# The dots of each cell's figure as drawn: target, before and after.
DRAWN = """
import json, sys
import apportion_results
from apportion_results import plots
results, found = apportion_results.open(sys.argv[1]), {}
for cell in results.cells["cell"]:
    for axes in plots.dots(results.cell(cell)).axes:
        lines = {line.get_label(): line.get_xdata().tolist() for line in axes.lines}
        found.setdefault(cell, []).extend(zip(lines["target"], lines["before"], lines["after"]))
json.dump(found, sys.stdout)
"""


# What the package says about itself, and about figures when matplotlib is missing.
ABOUT = """
import functools, json, sys
sys.modules["matplotlib"] = None
import apportion_results
from apportion_results import plots
frames = [name for name, value in vars(apportion_results.Results).items() if isinstance(value, functools.cached_property) and name[0] != "_"]
try:
    plots.curves(apportion_results.open("runs/smoke"))
except ImportError as error:
    json.dump([apportion_results.__file__, apportion_results.__version__, frames, str(error)], sys.stdout)
"""


def python(executable, code, *words, text=None):
    """Runs the code with this interpreter, outside the source tree, and returns the JSON it prints."""
    done = subprocess.run([executable, "-c", code, *words], input=text, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def pip(*words):
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words], check=True, env=ENVIRONMENT)


def install_wheel():
    """Makes a fresh environment with the wheel; h5py, numpy, pandas and matplotlib come from this interpreter's."""
    shutil.copytree(SOURCE / "python", "package", ignore=shutil.ignore_patterns("__pycache__"))  # setuptools leaves files there
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", "wheels", "./package")
    (wheel,) = pathlib.Path("wheels").iterdir()
    venv.create("fresh", with_pip=False)
    fresh = os.path.abspath("fresh/bin/python")
    pip("--python", fresh, "install", "--no-index", "--no-deps", str(wheel))
    (site,) = pathlib.Path("fresh/lib").glob("python*/site-packages")
    (site / "peers.pth").write_text(sysconfig.get_path("purelib"))
    return fresh, site.resolve()


def it_is_the_package(fresh, site):
    place, version, frames, without = python(fresh, ABOUT)
    assert pathlib.Path(place).parent == site / "apportion_results" and (site / "apportion_results/py.typed").exists(), place
    assert without == "apportion_results.plots needs matplotlib: pip install matplotlib", without
    page = (SOURCE / "docs/python.md").read_text(encoding="utf-8")
    named = {name for row in re.findall(r"^\| (`[^|]*`) \|", page, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert named == set(frames) - {"missing", "problems"}, named ^ set(frames)
    (info,) = site.glob("apportion_results-*.dist-info")
    metadata = (info / "METADATA").read_text()
    assert f"\nVersion: {version}\n" in metadata and f"apportion {version}" in call("--version").stdout, (version, metadata)
    for line in ("Requires-Dist: h5py", "Requires-Dist: numpy", "Requires-Dist: pandas", "License-Expression: Apache-2.0", 'extra == "plots"'):
        assert line in metadata, (line, metadata)
    assert (info / "licenses/LICENSE").read_text() == (SOURCE / "LICENSE").read_text()


def notebook_and_examples_run(fresh):
    notebook = json.loads((SOURCE / "docs/results.ipynb").read_text(encoding="utf-8"))
    assert not any(cell.get("outputs") for cell in notebook["cells"]), "the notebook is kept without what it shows"
    pages = {"notebook": ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]}
    for page, at_least in (("docs/python.md", 4), ("python/README.md", 1)):
        pages[page] = re.findall(r"```python\n(.*?)```", (SOURCE / page).read_text(encoding="utf-8"), re.S)
        assert len(pages[page]) >= at_least, page
    shown = python(fresh, RUN_PIECES, text=json.dumps(pages))["notebook"]
    assert len(shown) == len(pages["notebook"]) >= 9 and shown[0] == "'all is there'" and shown[-1] == "[]", shown
    assert "exact_error" in shown[1] and "<td>after</td>" in shown[1], shown[1]


def dots_are_the_pages(fresh):
    """On the page's plots a share p is drawn at 1.5 + 97 p percent."""
    found = python(fresh, DRAWN, "sample")
    for cell, subjects, categories in (("gender-us-real-full", 14, 1), ("race-us-even-full", 14, 5)):
        drawn = found[cell]
        assert len(drawn) == subjects * categories
        page = call("report", "sample", "--cell", cell, "--html", "-").stdout
        seen = []
        for svg in re.findall(r'<svg class="dots".*?</svg>', page, re.S)[: len(drawn)]:
            marks = (r'<line class="target" x1="([\d.]+)%', r'<circle class="before"[^>]* cx="([\d.]+)%', r'<circle class="after"[^>]* cx="([\d.]+)%')
            seen.append([float(re.search(mark, svg).group(1)) for mark in marks])
        # The figure has a plot per category, the page a line per subject and category.
        ordered = [seen[s * categories + j] for j in range(categories) for s in range(subjects)]
        for one, other in zip(drawn, ordered):
            assert all(abs(1.5 + 97 * share - place) < 6e-4 for share, place in zip(one, other)), (cell, one, other)


def types_are_right():
    config = SOURCE / "python/pyproject.toml"
    done = subprocess.run([sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", os.devnull, SOURCE / "python/apportion_results"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def main():
    call("run", "small.ini", "--output", "runs/smoke", "--test_sets", "v2", "--retention=true")
    for test, variable, folder in (("ExportCsv.WritesSampleResultsForPeers", "APPORTION_PEER_RESULTS", "sample"),
                                   ("CellFigures.WritesASampleSweepForTheProgram", "APPORTION_SAMPLE_SWEEP", "runs/targets")):  # fmt: skip
        subprocess.run([UNIT_TESTS, f"--gtest_filter={test}"], check=True, stdout=subprocess.DEVNULL, env=os.environ | {variable: folder})
    fresh, site = install_wheel()
    it_is_the_package(fresh, site)
    notebook_and_examples_run(fresh)
    dots_are_the_pages(fresh)
    types_are_right()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="apportion_system.") as work, contextlib.chdir(work):
        write_small_job(work)
        main()
