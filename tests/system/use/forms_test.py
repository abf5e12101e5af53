"""One folder in every form: text, JSON, CSV, LaTeX, Markdown and page give the same numbers. In each of them, and in the card,
any name is plain text: no formula, no command, no markup. Every row of a table has as many cells as its heading, and all
braces close."""

import ast
import contextlib
import csv
import html.parser
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import h5py
import numpy
import yaml
from markdown_it import MarkdownIt

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from common import HOSTILE, UNIT_TESTS, call, write_small_job  # noqa: E402

NAMES = {
    **HOSTILE,
    "=cmd|' /C calc'!A0": "ring",
    "+1+1": "ball",
    "-2+3": "cube",
    "@SUM(1;2)": "ring",
    "[100%] {of} $x_1^2$ ~ #1 \\end{tabular} \\\\": "ball",
    "* `code` | **bold** [link](https://example.org) ![i](x)": "cube",
    "a & b \\& c -- d ,, e": "ring",
    "-0.5": "ball",
    "https://evil.example/x www.evil.example GH-12 :tada:": "cube",
}
DATASET = '=sets <b>|"one" _&%'
FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
LATEX = {
    "\\textasciitilde{}": "~", "\\textasciicircum{}": "^", "\\textbackslash{}": "\\", "\\textless{}": "<", "\\textgreater{}": ">",
    "\\textbar{}": "|", "\\symbol{34}": '"', "\\textasciigrave{}": "`", "\\textperiodcentered{}": "·",
    "\\ensuremath{\\pm}": "±", "\\ensuremath{\\rightarrow}": "→",
}  # fmt: skip


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def latex_text(source):
    """The text LaTeX would set. Fails on anything but the commands above, escaped characters and one-character groups."""
    out, at = "", 0
    while at < len(source):
        letter = re.compile(r"\\anyletter\{(\d+)\}\{([0-9A-F]{4,6})\}").match(source, at)
        command = next((name for name in LATEX if source.startswith(name, at)), None)
        if letter:
            assert int(letter[1]) == int(letter[2], 16), letter[0]
            out, at = out + chr(int(letter[1])), letter.end()
        elif command:
            out, at = out + LATEX[command], at + len(command)
        elif source[at] == "\\":
            assert source[at + 1] in "#$%&_{}", ("an unknown command", source[at:])
            out, at = out + source[at + 1], at + 2
        elif source[at] == "{":
            assert source[at + 1 : at + 3] in ("[}", "*}") or source[at + 1] == "}", ("an open group", source[at:])
            end = source.index("}", at)
            out, at = out + source[at + 1 : end], end + 1
        else:
            assert source[at] not in "#$%&_}~^\"`<>|", ("a sign that LaTeX reads", source[at:])
            out, at = out + source[at], at + 1
    return out


def latex_tables(text):
    """Each table's heading and rows, from all its pages."""
    tables, found = [], 0
    for begin, caption, types, body in re.findall(
        r"(\\begin\{table\}\n\\centering\n)\\caption\{([^\n]*)\}\n\\fitted\{\\begin\{tabular\}\{((?:[lr]|p\{6cm\})+)\}\n\\toprule\n(.*?)\\bottomrule\n"
        r"\\end\{tabular\}\}\n\\end\{table\}\n", text, re.DOTALL):  # fmt: skip
        assert begin and latex_text(caption)
        heading, rows = body.split("\\midrule\n")
        lines = []
        for line in [heading, *rows.splitlines()]:
            assert line.rstrip("\n").endswith(" \\\\"), line
            lines.append([latex_text(cell) for cell in line.rstrip("\n")[:-3].split(" & ")])
        assert {len(line) for line in lines} == {len(re.findall(r"[lr]|p\{6cm\}", types))}, (types, lines)
        assert len(rows.splitlines()) <= 40, (len(rows.splitlines()), caption)
        if caption.endswith(" (continued)"):
            assert lines[0] == tables[-1][0]
            tables[-1] += lines[1:]
        else:
            tables.append(lines)
        found += 1
    assert found == text.count("\\begin{table}") == text.count("\\end{table}"), text
    return tables


def markdown_tables(text):
    """Each table's heading and rows as a Markdown parser sees them. Cells must be plain text."""
    tables = []
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    assert all(token.type != "html_block" or token.content.startswith("<!-- apportion") for token in tokens), text
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif before and before.type in ("th_open", "td_open"):
            assert {child.type for child in token.children} <= {"text"}, ("a cell is more than text", token.content)
            content = "".join(child.content for child in token.children)
            tables[-1][-1].append(content.replace("\u200b", "").replace("\u2003", "  "))
    assert all(len(row) == len(table[0]) for table in tables for row in table), tables
    return tables


class Tables(html.parser.HTMLParser):
    """A page's tables by caption: rows of numbers, or text for entries that are not numbers."""

    def __init__(self, text):
        super().__init__()
        self.found, self.rows, self.place = {}, [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.rows = []
        elif tag == "caption":
            self.place, self.rows = "caption", [[""]]
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.place = "cell"
            self.rows[-1].append(number(dict(attributes)["data-v"]) if "data-v" in dict(attributes) else "")

    def handle_endtag(self, tag):
        if tag in ("td", "th", "caption"):
            self.place = None
        elif tag == "table":
            self.found[self.rows[0][0]] = self.rows[1:]

    def handle_data(self, data):
        if self.place and isinstance(self.rows[-1][-1], str):
            self.rows[-1][-1] += data


def rounded(value):
    return "-" if value is None else f"{value:.3f}"


def csv_rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def csv_numbers(rows, when, test_set):
    """Each subject's shares of the rounds, MAE and exact error, recomputed from the export."""
    subjects = {}
    for row in rows:
        if (row["when"], row["test_set"], row["outcome"]) == (when, test_set, "category"):
            subjects.setdefault(row["subject"], {}).setdefault(row["category"], []).append(
                [float(row[name] or "nan") for name in ("target", "count", "exact_low", "exact_high")])  # fmt: skip
    found = {}
    for subject, categories in subjects.items():
        table = numpy.array(list(categories.values()))  # category, wording, number
        target, counts = table[:, 0, 0], table[:, :, 1].sum(axis=1)
        shares = counts / counts.sum()
        low, high = table[:, :, 2].mean(axis=1), table[:, :, 3].mean(axis=1)
        found[subject] = (shares, abs(shares - target).mean(), numpy.maximum(abs(low - target), abs(high - target)).mean())
    return found


def forms_of(folder, cell):
    """The same cell in every form that people or programs read."""
    words = ("report", folder, "--cell", cell)
    call(*words, "--html", "page.html")
    call(*words, "--latex", "table.tex")
    return {
        "text": call(*words, environment=os.environ | {"LC_ALL": "C.UTF-8"}).stdout,
        "json": json.loads(call(*words, "--json").stdout)["cells"][0],
        "latex": latex_tables(pathlib.Path("table.tex").read_text()),
        "markdown": markdown_tables(call(*words, "--markdown").stdout),
        "page": Tables(pathlib.Path("page.html").read_text(encoding="utf-8")).found,
        "csv": [row for row in csv_rows(call("export", folder, "--csv").stdout) if row["cell"] == cell],
    }


def text_subjects(text, categories):
    """The numbers in the terminal's table of subjects, row by row, without the bars."""
    rows, lines = [], text.splitlines()
    (first,) = [i for i, line in enumerate(lines) if line.split()[-1:] in (["coverage"], ["cover"]) and "target" in line]
    for line in lines[first + 2 :]:
        if not line.strip():
            return rows
        rows.append([cell for cell in re.sub(r"[\[\],~]", " ", line).split() if re.fullmatch(r"-|\d\.\d{3}", cell)])
    raise AssertionError((categories, text))


def all_say_the_same(folder, cell, test_set):
    forms = forms_of(folder, cell)
    measures = {m["when"]: m for m in forms["json"]["measures"] if m["test_set"] == test_set}
    before, after = measures["before"], measures["after"]
    categories, shares = after["categories"], {}
    pair = len(categories) == 2
    exported = {when: csv_numbers(forms["csv"], when, test_set) for when in measures}
    lines = forms["text"] and text_subjects(forms["text"], categories)
    latex, markdown = forms["latex"][0], forms["markdown"][0]
    page = forms["page"][f"The same in numbers, {test_set}"]
    assert latex == markdown, "LaTeX and Markdown are two tables"
    per = 1 if pair else len(categories)
    assert len(lines) == len(after["subjects"]) and len(latex) == 1 + per * len(lines) + 1, (len(lines), len(latex))
    for s, subject in enumerate(after["subjects"]):
        name = subject["subject"]
        for when, measure in measures.items():
            shown, mae, exact = exported[when][name]
            known = measure["subjects"][s]["unparsed_share"] <= 0.5
            assert not known or numpy.allclose(shown, measure["subjects"][s]["observed"], atol=1e-12), (name, when)
            shares[when] = [rounded(share) if known else "-" for share in shown]
            if when == "after":
                assert abs(mae - subject["mae"]) < 1e-12 and abs(exact - subject["exact_error"]) < 1e-12, (name, mae, exact, subject)
        errors = [rounded(subject[key]) for key in ("exact_error", "mae", "floor", "p_value")]
        for j in range(per):
            row, numbers = latex[1 + s * per + j], page[1 + s * per + j]
            wanted = [rounded(subject["target"][j]), shares["before"][j], shares["after"][j]]
            at = 1 if pair else 2
            assert row == [name, *([] if pair else [categories[j]]), *wanted, *(errors if j == 0 else [""] * 4)], (row, wanted, errors)
            for value, text in zip(numbers[at : at + 3], wanted, strict=True):
                assert (value == "-") if text == "-" else rounded(value) == text, (numbers, wanted)
            assert j > 0 or [rounded(value) for value in numbers[at + 5 : at + 9]] == errors, (numbers, errors)
        if pair:
            assert lines[s][:3] == [rounded(subject["target"][0]), shares["before"][0], shares["after"][0]], (lines[s], shares)
        assert lines[s][-4:-1] == errors[:3], (lines[s], errors)
    heading, *means = forms["page"]["Means over subjects"]
    of_page = {row[0]: dict(zip(heading, row, strict=True)) for row in means}[f"after, {test_set}"]
    assert abs(of_page["exact error"] - after["exact_error"]) < 1e-8 and abs(of_page["MAE"] - after["mae"]) < 1e-8
    wanted = [rounded(after["exact_error"]), f"{after['mae']:.3f} ± {after['mae_deviation']:.3f}", rounded(after["floor"]), f"{after['passes']} of {after['tested']}"]
    assert latex[-1][-4:] == wanted, (latex[-1], wanted)
    assert f"exact error {after['exact_error']:.3f} · MAE {rounded(before['mae'])} → {after['mae']:.3f} (a perfect sampler: {after['floor']:.3f})" in forms["text"]
    return after


def sample_results():
    subprocess.run([UNIT_TESTS, "--gtest_filter=ExportCsv.WritesSampleResultsForPeers"], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"APPORTION_PEER_RESULTS": "sample"})
    wholes = {}
    for cell in ("gender-us-real-full", "race-us-even-full"):
        wholes[cell] = all_say_the_same("sample", cell, "v2")
    # Several cells get a row each, with the same means.
    heading, *rows = latex_tables(call("report", "sample", "--latex").stdout)[0]
    assert markdown_tables(call("report", "sample", "--markdown").stdout)[0] == [heading, *rows]
    assert heading == ["dataset", "method", "target", "test set", "MAE before", "MAE after", "exact error", "floor"], heading
    for row, after in zip(rows, wholes.values(), strict=True):
        assert row[1:4] == ["full", "real", "v2"], row
        assert row[-3:] == [f"{after['mae']:.3f} ± {after['mae_deviation']:.3f}", rounded(after["exact_error"]), rounded(after["floor"])], row


def words_that_do_not_fit():
    for words in (("--latex", "--json"), ("--latex", "--markdown"), ("--html", "x.html", "--markdown"), ("--latex", "x.tex", "--cell", "none")):
        said = call("report", "sample", *words, code=2).stderr
        assert said.count("\n") == 1 and not os.path.exists("x.html") and not os.path.exists("x.tex"), said
    assert "belongs to 'apportion report" in call("export", "sample", "--csv", "-", "--latex", "x.tex", code=2).stderr
    assert "nothing/x.tex" in call("report", "sample", "--latex", "nothing/x.tex", code=2).stderr
    # Without a file, or with "-", it goes to standard output, also before another word; the table written last is the same.
    of_last = call("report", "sample", "--latex", "--cell", "race-us-even-full").stdout
    assert len(latex_tables(of_last)) == 2 and of_last.count("\\caption") == 4  # each on two pages
    assert of_last == pathlib.Path("table.tex").read_text()
    assert of_last == call("report", "sample", "--cell", "race-us-even-full", "--latex", "-").stdout
    call("report", "sample", "--latex", "x.tex", "--fail-if", "error > 0.000001", code=4)
    assert os.path.exists("x.tex")


def seen(name):
    """What each form may show of a name: outer blanks are dropped, and the character that reverses text is replaced."""
    return name.strip().replace("\u202e", "\ufffd")


def csv_has_no_formula(text):
    rows = csv_rows(text)
    cells = [*rows[0], *(cell for row in rows for cell in row.values())]
    risky = [cell for cell in cells if FORMULA.match(cell) and number(cell) is None]
    assert not risky, risky[:3]
    names = list(dict.fromkeys(row["subject"] for row in rows))
    assert [re.sub("^'", "", name) for name in names] == [name.strip() for name in NAMES], names
    assert {name[0] for name in names if FORMULA.match(name[1:])} == {"'"} and "-0.5" in names, names


def hostile_card(card):
    front, _, body = card[4:].partition("\n---\n")
    assert yaml.safe_load(front)["library_name"] == "peft", front
    assert f"dataset = {DATASET}\n" in body
    assert "\u202e" not in card and "<script" not in re.sub(r"^```.*?^```$", "", card, flags=re.DOTALL | re.MULTILINE)
    table = next(table for table in markdown_tables(body) if table[0][0] == "subject")
    shown = {row[0].strip() for row in table[1:-1]}
    assert shown == {seen(name) for name in NAMES}, shown
    blocks = re.findall(r"^```python\n(.*?)^```$", body, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        (chat,) = [node.value for node in ast.parse(block).body if isinstance(node, ast.Assign) and node.targets[0].id == "chat"]
        assert ast.literal_eval(chat)[0]["content"], block


def hostile_names():
    os.rename("colours", DATASET)
    with open(f"{DATASET}/targets.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["subject", "red", "blue", "@thing"])
        for place, (name, thing) in enumerate(NAMES.items()):
            writer.writerow([name, 1 + place, 3, thing])
    call("run", "small.ini", "--dataset", DATASET, "--output", "names", "--test_sets", "v2", "--sft_steps", "1", "--calibrate_steps", "1")
    csv_has_no_formula(call("export", "names", "--csv").stdout)
    (latex,) = latex_tables(call("report", "names", "--latex").stdout)
    (markdown,) = markdown_tables(call("report", "names", "--markdown").stdout)
    assert latex == markdown and [row[0].strip() for row in latex[1:-1]] == [seen(name) for name in NAMES], latex
    page = pathlib.Path("names/report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    rows = Tables(page).found["The same in numbers, v2"][1:]
    assert [row[0].strip() for row in rows] == [name.strip() for name in NAMES], rows
    with h5py.File("names/index.h5") as index:
        task = index[f"jobs/small/{DATASET}-full/training/calibrate"].attrs["task"]
    hostile_card(pathlib.Path(f"names/tasks/{task}/adapter/README.md").read_text(encoding="utf-8"))


def main():
    sample_results()
    words_that_do_not_fit()
    hostile_names()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
        write_small_job(work)
        main()
