"""Character vocabularies, as in Gemma's and Llama 2's tokenizer.json, in GGUF files. What a small job trained on a folder
with such a tokenizer is exported; texts of many kinds get the same tokens from the file (by scores) as from the folder (by
merges), in `apportion score` and in transformers. One case has the learnt merges, one per token; another has all merges that
make a token, as conversions list them. What scores cannot express is refused by name."""

import json
import os
import pathlib
import random
import sys
import tempfile

import families_job_test
import families_test
import gguf
import numpy as np
import tiny_models
import torch
from families_job_test import common
from transformers import AutoTokenizer

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tokens"))
import tokenizer_families_test as families  # noqa: E402

CHAT = [families.added(name) for name in ("<|im_start|>", "<|im_end|>")]
# The tokenizer's family, the model, the merges, and the token that texts begin with.
CASES = {
    "gemma": ("Gemma", "gemma2-head-scale", "learnt", "<bos>"),
    "gemma-all": ("Gemma", "gemma2-head-scale", "all", "<bos>"),
    "llama": ("Llama 2", "llama", "learnt", "<s>"),
    "llama-all": ("Llama 2", "mistral", "all", "<s>"),
}
TEXTS = 4000 if "APPORTION_LONG" in os.environ else 1200  # in each case
LONGEST = 100
RUNS = [families.SIGN * 2] * 2
BOUND = 2e-5  # for log-probs: a float32 file has the folder's weights


def write_model(work, name, lines):
    of, model, merges, bos = CASES[name]
    family = families.FAMILIES[of]
    family = family | {"added": family["added"] + CHAT}
    words, learnt = families.learn(family, lines)
    path = work / name / "tokenizer.json"
    os.makedirs(work / name)
    content = families.make_file(of, family, words, learnt, path)
    size = max(*content["model"]["vocab"].values(), *(token["id"] for token in content["added_tokens"])) + 1
    tiny_models.make(str(work / name), model, vocabulary=size + 5)
    if merges == "all":
        content["model"]["merges"] = families.merges_of_scores(content)[1]
        content["model"]["merges"] += [RUNS] * (of == "Gemma")  # added tokens are left out there
    path.write_text(json.dumps(content))
    config = {"chat_template": tiny_models.CHATML, "eos_token": "<|im_end|>", "bos_token": bos, "tokenizer_class": "PreTrainedTokenizerFast"}
    (work / name / "tokenizer_config.json").write_text(json.dumps(config))
    return content


def texts_of(content, lines):
    special = [token["content"] for token in content["added_tokens"]]
    texts = [text for text in families.make_texts(special, lines) if 0 < len(text.encode()) <= LONGEST]
    return random.Random(families.SEED).sample(texts, TEXTS)


def rows_of(texts):
    """Plain texts, where special tokens' names are parsed, and user turns, where they are not. The byte that follows a plain
    text never merges with it."""
    return [{"prompt": text, "answer": "\x01 red"} for text in texts[::2]] + [
        {"prompt": [{"role": "user", "content": text}], "answer": "It is red."} for text in texts[1::2]
    ]


def same_tokens(name, folder, file, rows):
    worst, tokens = 0.0, 0
    for row, a, b in zip(rows, families_test.score(folder, rows), families_test.score(file, rows), strict=True):
        assert a["ids"] == b["ids"] and a["prompt_tokens"] == b["prompt_tokens"], (name, row, a["ids"], b["ids"])
        worst = max(worst, float(np.abs(np.array(a["log_probs"]) - b["log_probs"]).max()))
        tokens += len(a["ids"])
    print(f"{name}: {len(rows)} texts, {tokens} tokens, log-probs off by {worst:.1e}")
    assert worst <= BOUND, worst


def transformers_agrees(name, work, file, texts):
    """transformers' own reader turns scores back into merges. Unlike Llama 2's tokenizer.json and llama.cpp, it puts no blank
    before a text that already begins with one."""
    theirs, right = AutoTokenizer.from_pretrained(work, gguf_file=file), AutoTokenizer.from_pretrained(work / name)
    texts = [text for text in texts if "<" not in text and text[0] != " " and families.SIGN not in text]
    wrong = [text for text in texts if theirs(text, add_special_tokens=False)["input_ids"] != right(text, add_special_tokens=False)["input_ids"]]
    for text in wrong[:5]:
        print(f"{name}, in transformers: {text!r}")
    print(f"{name}, in transformers: {len(texts)} texts, {len(wrong)} differ")
    assert len(texts) > 500 and not wrong


def keys_are_llama_cpps(name, path, content):
    fields = gguf.GGUFReader(path).fields
    value = lambda key: fields[f"tokenizer.{key}"].contents()  # noqa: E731
    tokens, kinds, scores = value("ggml.tokens"), value("ggml.token_type"), value("ggml.scores")
    assert value("ggml.model") == "llama" and value("ggml.add_bos_token") is True
    assert value("ggml.add_space_prefix") is (CASES[name][0] == "Llama 2")
    assert len(tokens) == len(kinds) == len(scores) and len(set(tokens)) == len(tokens)
    assert fields["tokenizer.ggml.scores"].types == [gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.FLOAT32]
    unknown, vocabulary = value("ggml.unknown_token_id"), content["model"]["vocab"]
    assert tokens[unknown] == "<unk>" and kinds[unknown] == gguf.TokenType.UNKNOWN
    assert tokens[value("ggml.bos_token_id")] == CASES[name][3] and tokens[value("ggml.eos_token_id")] == "<|im_end|>"
    for text, i in vocabulary.items():
        assert tokens[i] == text, (i, text)
        assert (kinds[i] == gguf.TokenType.BYTE) == (text in families.BYTES), text
    assert tokens[-1] == f"[PAD{len(tokens) - 1}]" and kinds[-1] == gguf.TokenType.UNUSED


def refused(work, name, content):
    """A refused export gives one line that names the reason, and no file."""
    path, out = work / name / "tokenizer.json", work / "new.gguf"

    def line_of(changed):
        path.write_text(json.dumps(content | changed))
        said = common.call("export", f"{name}-job", "--merged", out, "--gguf", "f32", "--model", work / name, code=2, cwd=work).stderr
        assert said.startswith(f"apportion: {path}, byte ") and said.count("\n") == 1 and not out.exists(), said
        return said

    model = content["model"]
    sign = families.SIGN
    metaspace = {"type": "Metaspace", "replacement": sign, "prepend_scheme": "first", "split": False}
    said = line_of({"normalizer": None, "pre_tokenizer": metaspace})
    assert "changed or cut before its tokens are found" in said, said
    said = line_of({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, content["normalizer"]]}})
    assert "changed or cut before its tokens are found" in said, said
    kept = [merge for merge in model["merges"] if merge not in (RUNS, " ".join(RUNS))]
    assert len(kept) == len(model["merges"]) - 1
    said = line_of({"model": model | {"merges": kept}})
    assert f"{sign * 4}, comes from no merge, but from the tokens {sign * 2} and {sign * 2} side by side" in said, said
    said = line_of({"model": model | {"byte_fallback": False, "unk_token": None}})
    assert "neither tokens for all bytes" in said, said
    size = len(model["vocab"])
    rare = [{"id": size, "content": "ꙮꙮ", "single_word": False, "lstrip": True, "rstrip": False, "normalized": False, "special": False}]
    said = line_of({"added_tokens": content["added_tokens"] + rare})
    assert "takes blanks around it" in said, said
    path.write_text(json.dumps(content))


def main():
    torch.set_num_threads(1)
    lines = list(families.corpus(random.Random(families.SEED)))
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        common.write_small_job(work)
        for name in CASES:
            content = write_model(work, name, lines)
            families_job_test.run(work, name, f"{name}-job", "--method=sft", "--steering=auto")
            merged, file = work / f"{name}-folder", work / f"{name}.gguf"
            for words in (["--merged", merged], ["--merged", file, "--gguf", "f32"]):
                common.call("export", f"{name}-job", *words, "--model", work / name, cwd=work)
            texts = texts_of(content, lines)
            same_tokens(name, str(merged), str(file), rows_of(texts))
            keys_are_llama_cpps(name, file, content)
            transformers_agrees(name, work, file.name, texts)
        refused(work, "gemma", json.loads((work / "gemma" / "tokenizer.json").read_text()))


if __name__ == "__main__":
    main()
