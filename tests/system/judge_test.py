"""Stories and their judges, through the program. The tiny model's six tokens do not make a story: they are counted as none,
left out, and not trained on. The real model's stories are judged by their words and by a fake server that this script
plays, well and badly (an error, a delay, rubbish). The server's key is in no file and in nothing that is printed.
With `answers = self` the stories that say what was asked for are trained on."""

import contextlib
import csv
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import common

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "inputs"))
import edit_gguf  # noqa: E402

APPORTION = os.environ["APPORTION_BIN"]
TIMEOUT_S = 3  # for an answer: far longer than this server needs, even next to other tests
KEY = "sk-2718281828-never-stored"
STORIES = {
    "dataset": "gender-us-real",
    "method": "zero-shot",
    "test_sets": "v3",
    "subjects": 2,
    "rounds": 6,
    "story_tokens": 40,
    "exact_nodes": 0,
}


class FakeServer(http.server.ThreadingHTTPServer):
    """Answers by the story's first pronoun, unless `play` returns another answer for the story's number and attempt."""

    request_queue_size = 128  # with the usual 5, questions that come together may wait for the kernel's second try, a second later

    def __init__(self, play=lambda story, attempt: None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.play, self.stories, self.keys, self.requests = play, {}, [], []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def answer(self, request, key):
        text = request["messages"][0]["content"]
        self.keys.append(key)
        self.requests.append(request)
        attempts = self.stories.setdefault(text, [len(self.stories), 0])
        attempts[1] += 1
        played = self.play(attempts[0], attempts[1])
        if played is not None:
            return played
        story = text.split("-----")[1]
        found = re.search(r"\b(he|his|him|she|her|hers)\b", story, re.IGNORECASE)
        said = "none" if not found else "Female." if found.group(1).lower()[0] == "s" or "er" in found.group(1) else "Male"
        return 200, json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]})


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/chat/completions", self.path
        status, text = self.server.answer(body, self.headers.get("Authorization"))
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serve(server):
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run(folder, options, code=0, key=None, quiet=True):
    job = os.path.join(os.environ["APPORTION_SOURCE"], "jobs/smoke.ini")
    words = [text for name, value in options.items() for text in (f"--{name}={value}",)]
    environment = dict(os.environ, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    environment.pop("APPORTION_JUDGE_KEY", None)
    if key:
        environment["APPORTION_JUDGE_KEY"] = key
    done = subprocess.run(
        [APPORTION, "run", job, "--output", folder, f"--quiet={quiet}".lower(), *words], capture_output=True, text=True, env=environment
    )
    assert done.returncode == code, f"exit code {done.returncode}:\n{done.stdout}{done.stderr}"
    assert KEY not in done.stdout + done.stderr
    return done.stdout, done.stderr


def cell_of(folder):
    report = subprocess.run([APPORTION, "report", folder, "--json"], check=True, capture_output=True, text=True)
    (cell,) = json.loads(report.stdout)["cells"]
    return cell


def by_judge(cell):
    return {measure["judge"]: measure for measure in cell["measures"]}


def no_file_has(folder, secret):
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                assert secret.encode() not in file.read(), f"{place}/{name} has the key"


def short_answers_are_no_story(work):
    common.write_small_job(work)
    with open(f"{work}/colours/templates.txt", "a") as templates:
        templates.write("[v3]\nTell a story of {a_thing}.\n[judge]\n0 = crimson\n")
    job = [APPORTION, "run", f"{work}/small.ini", "--test_sets", "v2,v3", "--story_tokens", "6", "--output", f"{work}/tiny"]
    printed = subprocess.run(job, check=True, capture_output=True, text=True).stdout
    assert re.search(r"before, v3 +lexical +- .* 1\.000 +0\.000 +1\.000\n", printed), printed
    stories = [measure for measure in cell_of(f"{work}/tiny")["measures"] if measure["test_set"] == "v3"]
    assert [measure["when"] for measure in stories] == ["before", "after"]
    for measure in stories:
        assert measure["no_story_share"] == measure["unparsed_share"] == 1, measure
        assert measure["mae"] is None and measure["judge"] == "lexical"
    # The coordinator judges, so two ranks give the same.
    two = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", *job[:-1], f"{work}/two"]
    subprocess.run(two, check=True, capture_output=True)
    assert cell_of(f"{work}/two")["measures"] == cell_of(f"{work}/tiny")["measures"]
    subprocess.run([APPORTION, "export", f"{work}/tiny", "--csv", f"{work}/rows.csv"], check=True)
    with open(f"{work}/rows.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["outcome"] == "no story"]
    assert len(rows) == 6 and sum(int(row["count"]) for row in rows) == 2 * 27, rows


def a_server_is_a_second_judge(work, folder):
    run(folder, STORIES)
    (lexical,) = cell_of(folder)["measures"]
    assert lexical["judge"] == "lexical" and lexical["rounds"] == 6, lexical
    assert lexical["no_story_share"] < 0.5, "the untouched model tells no stories"
    assert "judges" not in cell_of(folder)

    options = {"judge_model": "a/good-one", "judge_key_file": f"{work}/key", **STORIES}
    with open(f"{work}/key", "w") as file:
        file.write(KEY + "\n")
    with serve(FakeServer()) as server:
        printed, _ = run(folder, {**options, "judge": server.url})
        asked = len(server.requests)
        assert asked == len(server.stories) > 0, "a story was asked about twice"
        assert set(server.keys) == {f"Bearer {KEY}"}
        assert all(request["temperature"] == 0 and request["model"] == "a/good-one" for request in server.requests)
        cell = cell_of(folder)
        assert set(by_judge(cell)) == {"lexical", "a-good-one"}
        assert by_judge(cell)["a-good-one"]["failed_share"] == 0
        (pair,) = cell["judges"]
        assert pair["judges"] == ["lexical", "a-good-one"] and 0.5 < pair["share"] <= 1, pair
        assert "judges lexical and a-good-one agree on" in printed, printed
        # Judgements are kept by content, so a task that is redone finds them too.
        for place, _, names in os.walk(f"{folder}/tasks"):
            if "result.h5" in names:
                with open(f"{place}/result.h5", "rb") as file:
                    is_the_servers = b"a/good-one" in file.read()
                if is_the_servers:
                    os.remove(f"{place}/result.h5")
        again, _ = run(folder, {**options, "judge": server.url})
        assert len(server.requests) == asked, "the same question was asked again"
        assert again == printed
    no_file_has(folder, KEY)


def what_a_server_does_badly_is_counted(folder):
    def play(story, attempt):
        if story == 0:
            return 200, "<html>rubbish</html>"
        if story == 1 and attempt == 1:
            return 500, "{}"
        if story == 2 and attempt == 1:
            time.sleep(2 * TIMEOUT_S)
        return None

    with serve(FakeServer(play)) as server:
        options = {"judge_model": "a-bad-one", "judge_timeout_s": TIMEOUT_S, "judge": server.url, **STORIES}
        printed, warned = run(folder, options, key=KEY)
        attempts = dict(server.stories.values())
    assert attempts[0] == 5 and attempts[1] == 2 and attempts[2] == 2, attempts
    assert set(attempts.values()) == {1, 2, 5}, attempts
    failed = by_judge(cell_of(folder))["a-bad-one"]["failed_share"]
    assert 0 < failed < 0.25, failed
    assert re.search(rf"before, v3 +a-bad-one .* {failed:.3f} +0\.", printed), printed
    assert warned.count("\n") == 1 and "the judgement of " in warned, warned

    with serve(FakeServer(lambda story, attempt: (401, KEY))) as server:
        options = {"judge_model": "refused", "judge": server.url, **STORIES}
        _, told = run(folder, options, code=2, key=KEY)
        assert len(server.requests) == 1
    assert told.count("\n") == 1 and "HTTP status 401" in told, told
    no_file_has(folder, KEY)


def a_model_run_here_is_a_second_judge(work, folder):
    """On one rank, and on two that share the base; with another model than the job's, one with a short context, and one
    that does not exist."""
    shutil.copytree(folder, f"{work}/two-judge")  # stories already told, but not yet judged by the model
    printed, _ = run(folder, {"judge": "local", **STORIES})
    cell = cell_of(folder)
    local = by_judge(cell)["local"]
    assert local["failed_share"] == 0 and local["rounds"] == 6, local
    (pair,) = [pair for pair in cell["judges"] if "local" in pair["judges"]]
    assert pair["judges"] == ["lexical", "local"] and 0 <= pair["share"] <= 1, pair
    assert "judges lexical and local agree on" in printed, printed
    job = os.path.join(os.environ["APPORTION_SOURCE"], "jobs/smoke.ini")
    words = [text for name, value in STORIES.items() for text in (f"--{name}={value}",)]
    two = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", APPORTION, "run", job, *words, "--judge=local"]
    subprocess.run([*two, "--shard_size", "2", "--output", f"{work}/two-judge"], check=True, capture_output=True)
    assert by_judge(cell_of(f"{work}/two-judge"))["local"] == local, "two ranks judge otherwise"

    tiny = f"{work}/model.gguf"
    printed, warned = run(folder, {"judge": "local", "judge_model": tiny, **STORIES})
    other = by_judge(cell_of(folder))["model"]
    assert other["failed_share"] == 0 and re.search(r"before, v3 +model ", printed) and not warned, printed + warned
    with open(tiny, "rb") as file:
        parts = edit_gguf.take_apart(file.read())
    parts["keys"]["llama.context_length"] = edit_gguf.natural(64)
    with open(f"{work}/short.gguf", "wb") as file:
        file.write(edit_gguf.put_together(parts))
    _, warned = run(folder, {"judge": "local", "judge_model": f"{work}/short.gguf", **STORIES})
    assert by_judge(cell_of(folder))["short"]["failed_share"] == 1, "a question is longer than the context"
    assert warned.count("\n") == 1 and "before, v3, short: the judgement of 12 rounds failed" in warned, warned
    _, told = run(folder, {"judge": "local", "judge_model": f"{work}/none.gguf", **STORIES}, code=2)
    assert told.count("\n") == 1 and "none.gguf" in told, told


def draws_that_are_no_stories_are_not_trained_on(work):
    small = [APPORTION, "run", f"{work}/small.ini", "--test_sets", "v2", "--answers", "self", "--self_tokens", "6"]
    lacking = subprocess.run([*small, "--output", f"{work}/lacking"], capture_output=True, text=True)
    assert lacking.returncode == 2 and "has no section [stories]" in lacking.stderr, lacking.stderr
    all_weights = subprocess.run(
        [*small, "--output", f"{work}/lacking", "--adapter", "none"], capture_output=True, text=True
    )
    assert all_weights.returncode == 2 and "answers = self" in all_weights.stderr, all_weights.stderr
    assert not os.path.exists(f"{work}/lacking/index.h5")
    with open(f"{work}/colours/templates.txt", "a") as templates:
        templates.write("[stories]\nA tale of {a_thing}. | A tale of {a_thing}, which is {category}.\n")
    done = subprocess.run([*small, "--output", f"{work}/none", "--quiet=false"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    assert "stories of the untouched model: 0 of 48 told a category unasked and are kept; where these were too few, 0 of 48 told" in told, told
    assert "left out for lack of one: ball (none for blue); cube" in told, told
    draws, before = draws_in(f"{work}/none"), trained_in(f"{work}/none")
    assert len(draws) == 2, draws
    without = [word for word in small if word not in ("--answers", "self")]
    subprocess.run([*without, "--output", f"{work}/plain"], check=True, capture_output=True)
    assert before and not before & trained_in(f"{work}/plain"), "stories changed no id"
    subprocess.run([*small, "--output", f"{work}/none", "--self_weight", "3"], check=True, capture_output=True)
    assert len(trained_in(f"{work}/none") - before) == len(before), "a weight of stories changed no id"
    assert draws_in(f"{work}/none") == draws, "the same stories were drawn again"


def draws_in(folder):
    """Files of drawn answers: drawn again, one would be another file of the same name."""
    return {(file.name, file.stat().st_ino, file.stat().st_mtime_ns) for file in os.scandir(f"{folder}/replay")}


def trained_in(folder):
    return {task for task in os.listdir(f"{folder}/tasks") if os.path.isdir(f"{folder}/tasks/{task}/adapter")}


def stories_are_trained_on(work):
    options = {"preset": "unheld", "retention": "false", "method": "sft", "sft_steps": 2, "batch_prompts": 4, "subjects": 1}
    options |= {"test_sets": "v2", "rounds": 2, "max_answer_tokens": 3, "exact_nodes": 0}
    # More stories a step than the model tells unasked, so that it is also asked with each category named.
    folder, self_told = f"{work}/told", {**options, "answers": "self", "self_draws": 2, "self_stories": 8}
    printed, told = run(folder, self_told, quiet=False)
    kept = r"stories of the untouched model: ([1-9]\d*) of 32 told a category unasked and are kept; "
    assert re.search(kept + "where these were too few, ([1-9]\\d*) of 32 told the one that was named", printed + told), printed + told
    draws = os.listdir(f"{folder}/replay")
    assert len(draws) == 2, draws
    for name in draws:
        with open(f"{folder}/replay/{name}") as file:
            assert all(0 < len(story) <= 32 for story in json.load(file))
    (task,) = trained_in(folder)
    # Two ranks that share the base give the same stories and adapter.
    with open(f"{folder}/tasks/{task}/adapter/adapter_model.safetensors", "rb") as file:
        once = file.read()
    job = os.path.join(os.environ["APPORTION_SOURCE"], "jobs/smoke.ini")
    words = [text for name, value in self_told.items() for text in (f"--{name}={value}",)]
    two = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", APPORTION, "run", job, *words]
    subprocess.run([*two, "--shard_size", "2", "--output", f"{work}/two"], check=True, capture_output=True)
    with open(f"{work}/two/tasks/{task}/adapter/adapter_model.safetensors", "rb") as file:
        assert file.read() == once, "two ranks trained another adapter"


def main():
    with tempfile.TemporaryDirectory() as work:
        short_answers_are_no_story(work)
        draws_that_are_no_stories_are_not_trained_on(work)
        stories_are_trained_on(work)
        a_server_is_a_second_judge(work, f"{work}/results")
        what_a_server_does_badly_is_counted(f"{work}/results")
        a_model_run_here_is_a_second_judge(work, f"{work}/results")
        _, told = run(f"{work}/results", {**STORIES, "judge": "somebody"}, code=2)
        assert "judge (command line) must be lexical" in told, told
    print("stories and judges: passed")


if __name__ == "__main__":
    main()
