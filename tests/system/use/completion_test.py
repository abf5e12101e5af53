"""The manual page, without warnings from groff if that is installed; completion of commands, options and their values in an
interactive bash, and the grammar of zsh's and fish's completion if they are installed."""

import contextlib
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import call  # noqa: E402

BUILD = pathlib.Path(os.environ["APPORTION_BUILD"])


class Bash:
    """An interactive bash on its own terminal, with apportion's completion loaded."""

    def __init__(self):
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.environ.update(PS1="$ ", TERM="dumb", HISTFILE="")
            os.execlp("bash", "bash", "--norc", "--noprofile", "-i")
        self.said = ""
        self.write("bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; source apportion.bash; echo REA''DY\n")
        self.wait_for("READY")

    def write(self, text):
        os.write(self.terminal, text.encode())

    def wait_for(self, pattern):
        end = time.monotonic() + 20
        while not re.search(pattern, self.said):
            assert time.monotonic() < end, (pattern, self.said[-500:])
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.said += os.read(self.terminal, 65536).decode()

    def words_after_tab(self, typed):
        """The words of the line after a tab, as the shell sees them: the line is quoted and printed."""
        self.said = ""
        self.write(f"{typed}\t\x05 ENDE\x01printf '<%s>' \x05\n")
        self.wait_for("<ENDE>")
        return re.findall(r"<([^<>]*)>", self.said[self.said.rindex("<apportion>"):])[:-1]

    def close(self):
        self.write("\x15exit\n")
        os.waitpid(self.child, 0)
        os.close(self.terminal)


def completed_in_bash():
    os.mkdir("results")
    pathlib.Path("job.ini").touch()
    pathlib.Path("job.txt").touch()
    bash = Bash()
    for typed, words in (
        ("apportion rep", ["report"]),
        ("apportion --dump-comp", ["--dump-completion"]),
        ("apportion --dump-completion f", ["--dump-completion", "fish"]),
        ("apportion run jo", ["run", "job.ini"]),
        ("apportion status res", ["status", "results/"]),
        ("apportion report results --fa", ["report", "results", "--fail-if"]),
        ("apportion run job.ini --lora_ra", ["run", "job.ini", "--lora_rank"]),
        ("apportion run job.ini --schedule cos", ["run", "job.ini", "--schedule", "cosine"]),
        ("apportion run job.ini --schedule=cos", ["run", "job.ini", "--schedule=cosine"]),
        ("apportion run job.ini --train-compute-type bf", ["run", "job.ini", "--train-compute-type", "bfloat16"]),
        ("apportion run job.ini --quiet=f", ["run", "job.ini", "--quiet=false"]),
        ("apportion run --quiet jo", ["run", "--quiet", "job.ini"]),
        ("apportion export results --gguf f1", ["export", "results", "--gguf", "f16"]),
        ("apportion export results --adapter non", ["export", "results", "--adapter", "non"]),
        ("apportion report results --lora_ra", ["report", "results", "--lora_ra"]),
    ):
        found = bash.words_after_tab(typed)
        assert found == ["apportion", *words], (typed, found)
    bash.close()


def the_manual_page():
    page = call("--dump-man").stdout
    pathlib.Path("apportion.1").write_text(page)
    if not shutil.which("groff"):
        return
    shown = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-P-cbou", "apportion.1"], capture_output=True, text=True, check=True)
    assert shown.stderr == "", shown.stderr
    text = re.sub(r"\s+", " ", shown.stdout)
    for part in ("apportion - make a language model's answers", "--fail-if 'error > 0.02'", "--lora_rank N", "EXIT STATUS"):
        assert part in text, part


def installed():
    """The files are installed where man and the shells look for them."""
    subprocess.run(["cmake", "--install", BUILD, "--prefix", "root", "--component", "docs"], check=True, stdout=subprocess.DEVNULL)
    for place, file in (
        ("man/man1/apportion.1", "apportion.1"),
        ("bash-completion/completions/apportion", "apportion.bash"),
        ("zsh/site-functions/_apportion", "apportion.zsh"),
        ("fish/vendor_completions.d/apportion.fish", "apportion.fish"),
    ):
        assert pathlib.Path("root/share", place).read_text() == pathlib.Path(file).read_text(), place


def main():
    for shell in ("bash", "zsh", "fish"):
        file = pathlib.Path(f"apportion.{shell}")
        file.write_text(call("--dump-completion", shell).stdout)
        if shutil.which(shell):
            subprocess.run([shell, "-n", file], check=True)
    completed_in_bash()
    the_manual_page()
    installed()
    assert "must be bash, zsh or fish" in call("--dump-completion", "tcsh", code=2).stderr


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
        main()
