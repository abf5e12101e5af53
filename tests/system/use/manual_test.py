"""The manual as a reader uses it: every link leads somewhere, every command and option exists, every line that the program
is said to print is in its sources, and the first hour is worked through, file by file and command by command."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from common import call, write_small_job  # noqa: E402

SOURCE = pathlib.Path(os.environ["APPORTION_SOURCE"])
# Replaces the real model, which would take half an hour.
SMALL = ["--model=model.gguf", "--sft_steps=3", "--calibrate_steps=2", "--subjects=3", "--rounds=5", "--exact_nodes=4", "--retention=false"]


def pages():
    return [SOURCE / "README.md", SOURCE / "CONTRIBUTING.md", SOURCE / "cluster/README.md", *sorted(SOURCE.glob("docs/**/*.md"))]


def anchor(heading):
    """A heading's anchor, as GitHub makes it."""
    text = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading.strip())
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def anchors(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return {anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def links_lead_somewhere():
    seen = 0
    for page in pages():
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if re.match(r"[a-z]+://", target):
                continue
            path, _, part = target.partition("#")
            to = (page.parent / path).resolve() if path else page
            assert to.exists(), f"{page}: the link {target} leads nowhere"
            assert not part or part in anchors(to), f"{page}: {target}: {to.name} has no heading #{part}, but {sorted(anchors(to))}"
            seen += 1
    assert seen > 150, seen


def known_words():
    """Commands and options, from the program's own help and its page of options."""
    said = call("--help").stdout + call("run", "--help").stdout + (SOURCE / "docs/options.md").read_text(encoding="utf-8")
    commands = set(re.findall(r"^ +(?:mpirun -n N )?apportion ([a-z]+)", said, re.M))
    options = set(re.findall(r"--([a-z][a-z_-]*)", said)) | set(re.findall(r"^\| `([a-z0-9_]+)` \|", said, re.M))
    return commands, {option.replace("-", "_") for option in options}


def commands_in(text):
    """The command and words of each line of code that calls the program, without shell syntax."""
    for line in re.findall(r"^(?:    |`)?((?:mpirun|srun)?[^\n`|]*\bapportion (?:[a-z]+|--)[^\n`|]*)", text, re.M):
        found = re.search(r"(?:^|[ /])apportion ([a-z]+)((?: .*)?)$", line.split("   ")[0])
        if found:
            yield found[1], re.sub(r"#.*", "", found[2])


def commands_are_the_programs():
    commands, options = known_words()
    assert {"run", "report", "export", "submit", "plan"} <= commands and {"target", "html", "fail_if"} <= options, (commands, options)
    seen = 0
    for page in pages():
        code = "\n".join(re.findall(r"^    .*$|^```.*?^```", page.read_text(encoding="utf-8"), re.M | re.S))
        for command, words in commands_in(code):
            assert command in commands, f"{page}: apportion {command}"
            for option in re.findall(r" --([a-z][a-z_-]*)", words):
                assert option.replace("-", "_") in options, f"{page}: apportion {command}: --{option} is no option"
                seen += 1
    assert seen > 40, seen


def lines_are_the_programs():
    """Lines that a page says the program prints are in its sources, with string literals joined as a compiler joins them."""
    joined = ""
    for path in [SOURCE / "apportion.cpp", *SOURCE.glob("shared/**/*.cpp"), *SOURCE.glob("coordinator/**/*.cpp"), *SOURCE.glob("worker/**/*.cpp")]:
        joined += re.sub(r'"\s*\n\s*"', "", path.read_text(encoding="utf-8"))
    seen = 0
    for row in re.findall(r"^\| (.*?) \|", (SOURCE / "docs/when-it-fails.md").read_text(encoding="utf-8"), re.M):
        for line in re.findall(r"`([^`]+)`", row):
            if line in ("-", "heldout", "v2") or line.startswith("apportion "):
                continue
            assert line in joined, f"when-it-fails.md: the program does not say {line!r}"
            seen += 1
    assert seen > 15, seen


def the_first_hour():
    """Writes each file that the page shows and runs each command, in order, in one folder."""
    text = (SOURCE / "docs/first-hour.md").read_text(encoding="utf-8")
    os.symlink(SOURCE / "jobs", "jobs")
    ran = []
    for name, content, command in re.findall(r"^`([\w./]+)`:\n\n```\n(.*?)^```|^    (apportion [^\n]*)$", text, re.M | re.S):
        if name:
            os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
            pathlib.Path(name).write_text(content, encoding="utf-8")
            continue
        words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", command)][1:]
        if words[0] == "run":
            # Step counts that the page gives are kept; the small values stand in only for keys it does not name.
            named = {word.lstrip("-") for word in words if word.startswith("--")}
            words += [option for option in SMALL if option.partition("=")[0].lstrip("-") not in named]
        # The small random model gives no readable answers, so its error is unknown.
        ran.append((words[0], call(*words, code=4 if "--fail-if" in words else 0).stdout))
    assert [name for name, _ in ran] == ["run", "run", "run", "report", "export", "report", "export"], ran
    assert "dataset = shifts\n" in ran[1][1] and "shifts · full" in ran[3][1], ran[3][1]
    for path in ("runs/try/report.html", "runs/shifts/report.html", "shifts.csv", "shifts-model/model.safetensors"):
        assert os.path.exists(path), path
    table = pathlib.Path("shifts.csv").read_text(encoding="utf-8")
    assert table.count(",category,Day,") > 0 and table.count(",category,Night,") > 0, table[:2000]


def main():
    links_lead_somewhere()
    commands_are_the_programs()
    lines_are_the_programs()
    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
        write_small_job(work)
        the_first_hour()


if __name__ == "__main__":
    main()
