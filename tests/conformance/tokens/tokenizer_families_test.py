"""Token ids and places equal those of Hugging Face's `tokenizers` for each model family that a user may bring.

For each family the library trains a small vocabulary on Python's own sources and on random Unicode; normalizer,
pre-tokenizer, flags and kinds of added tokens are those of the family's published tokenizer.json. The library and we read
the same file and encode the same texts, with special tokens' names parsed and as plain text; our decoding gives the text
back. Then come the same vocabularies as GGUF: SentencePiece's by scores, against merges made from the scores as its
converters make them (the sentencepiece library itself is not among the peers).
Usage: tokenizer_families_test.py [TOKENIZER_DUMP]; the default is what the build folder has.
"""

import functools
import glob
import itertools
import json
import os
import random
import sys
import tempfile
import time
import unicodedata

import gguf
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import tokenizer_test as base

SEED = 20261130
TEXTS = 20000
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
SIGN = "\u2581"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def byte_level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level(False)])


def added(text, special=True, **rules):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"content": text, "special": special} | flags | rules


def template(name):
    pieces = [{"SpecialToken": {"id": name, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    return {"type": "TemplateProcessing", "single": pieces, "pair": pieces, "bos": name}


SPACED = normalizers.Replace(" ", SIGN)
WITHOUT_STRIP = [decoders.Replace(SIGN, " "), decoders.ByteFallback(), decoders.Fuse()]
CHAT = [added("<|im_start|>"), added("<|im_end|>")]
# first: the added tokens' ids come before the others; plain: no ByteLevel.
FAMILIES = {
    "SmolLM2": {
        "pre": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level(True)]),
        "added": [added("<|endoftext|>"), *CHAT, added("<repo_name>")],
        "first": True,
        "pre_name": "smollm",
    },
    "Llama 3": {
        "pre": split(LLAMA3),
        "added": [added("<|begin_of_text|>"), added("<|eot_id|>"), added("<|start_header_id|>")],
        "model": {"ignore_merges": True},
        "post": template("<|begin_of_text|>"),
        "pre_name": "llama-bpe",
    },
    "Qwen2": {
        "normalizer": normalizers.NFC(),
        "pre": split(QWEN2),
        "added": [added("<|endoftext|>"), *CHAT, added("<tool_call>", special=False)],
        "pre_name": "qwen2",
    },
    "GPT-2": {
        "pre": byte_level(True),
        "added": [added("<|endoftext|>", normalized=True)],
        "pre_name": "gpt-2",
    },
    "Gemma": {
        "normalizer": SPACED,
        "pre": pre_tokenizers.Split(" ", "merged_with_previous"),
        "decoder": decoders.Sequence(WITHOUT_STRIP),
        "added": [added(name) for name in ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")]
        + [added(text, special=False) for text in ("\n\n", "\n\n\n", "<table>", SIGN * 4)],
        "model": {"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"},
        "first": True,
        "plain": True,
        "post": template("<bos>"),
    },
    "Llama 2": {
        "normalizer": normalizers.Sequence([normalizers.Prepend(SIGN), SPACED]),
        "decoder": decoders.Sequence([*WITHOUT_STRIP, decoders.Strip(" ", 1, 0)]),
        "added": [added("<unk>"), added("<s>"), added("</s>")],
        "model": {"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"},
        "first": True,
        "plain": True,
        "post": template("<s>"),
    },
    # Marks absorb the blanks and line breaks after them, and texts get no begin token.
    "Phi-3": {
        "normalizer": normalizers.Sequence([normalizers.Prepend(SIGN), SPACED]),
        "decoder": decoders.Sequence([*WITHOUT_STRIP, decoders.Strip(" ", 1, 0)]),
        "added": [added("<unk>"), added("<s>"), added("</s>", special=False, rstrip=True), added("<|endoftext|>")]
        + [added(f"<|{name}|>", rstrip=True) for name in ("assistant", "placeholder1", "system", "end", "user")],
        "model": {"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>"},
        "first": True,
        "plain": True,
        "architecture": "phi3",  # a GGUF file says so only by this
    },
    # No real family, but covers what the others do not: Metaspace, unknown tokens, tokens that absorb blanks or are normalized.
    "Metaspace": {
        "normalizer": normalizers.NFKC(),
        "pre": pre_tokenizers.Sequence(
            [
                pre_tokenizers.Metaspace(prepend_scheme="first", split=True),
                pre_tokenizers.Split(Regex(r"\d+"), "contiguous"),
                pre_tokenizers.Split(Regex(r"[.,;:]"), "merged_with_next"),
                pre_tokenizers.Split("e", "merged_with_previous", invert=True),
            ]
        ),
        "decoder": decoders.Metaspace(prepend_scheme="first"),
        "added": [added("<unk>"), added("<s>", rstrip=True), added("</s>", lstrip=True), added("Ⅷx", normalized=True)],
        "model": {"fuse_unk": True, "unk_token": "<unk>"},
        "first": True,
        "plain": True,
    },
}


def corpus(rng):
    """Words from Python's sources, and random Unicode that repeats a few characters."""
    files = sorted(glob.glob(os.path.join(os.path.dirname(os.__file__), "*.py")))[:60]
    for path in files:
        with open(path, encoding="utf-8", errors="replace") as lines:
            yield from lines
    characters = [base.random_character(rng) for _ in range(800)]
    for _ in range(6000):
        yield "".join(rng.choice(characters) for _ in range(rng.randint(1, 6))) + rng.choice([" ", "\n", ""])


def learn(family, lines):
    """Vocabulary and merges, trained on words split as the family does, or for SentencePiece with leading blanks."""
    tokenizer = Tokenizer(models.BPE())
    plain = family.get("plain")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never") if plain else family["pre"]
    alphabet = [] if plain else pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=3000, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    words, merges = list(model["vocab"]), model["merges"]
    if plain:
        runs = [SIGN * 2, SIGN * 4]
        words += [run for run in runs if run not in model["vocab"]]
        merges += [[run[: len(run) // 2], run[len(run) // 2 :]] for run in runs if run not in model["vocab"]]
    return words, merges


def make_file(name, family, words, merges, path):
    """Writes the family's tokenizer.json; returns its content as a dictionary."""
    names = [token["content"] for token in family["added"]]
    words = [word for word in words if word not in names]
    options = family.get("model", {})
    if options.get("byte_fallback"):
        words = BYTES + words
    if options.get("ignore_merges"):  # words that no merge makes, as in vocabularies converted from tiktoken
        used = {part for merge in merges for part in merge}
        merges = [merge for i, merge in enumerate(merges) if i % 5 or "".join(merge) in used]
    first = family.get("first")
    vocabulary = {text: i for i, text in enumerate(names + words if first else words)}
    ids = [vocabulary[text] if first else len(vocabulary) + i for i, text in enumerate(names)]
    tokens = [token | {"id": i} for token, i in zip(family["added"], ids, strict=True)]
    shell = Tokenizer(models.BPE())
    shell.normalizer = family.get("normalizer")
    if "pre" in family:
        shell.pre_tokenizer = family["pre"]
    shell.decoder = family.get("decoder", decoders.ByteLevel())
    content = json.loads(shell.to_str())
    # Half of the files have merges as texts, as files from before 2024 do.
    lists = len(name) % 2
    content["model"] |= options | {
        "vocab": vocabulary,
        "merges": merges if lists else [" ".join(merge) for merge in merges],
    }
    content["added_tokens"] = tokens
    if "post" in family:
        bos = family["post"]["bos"]
        known = {bos: {"id": bos, "ids": [ids[names.index(bos)]], "tokens": [bos]}}
        content["post_processor"] = {key: value for key, value in family["post"].items() if key != "bos"}
        content["post_processor"]["special_tokens"] = known
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=len(name) % 3 == 0)
    return content


def make_texts(special, lines):
    rng = random.Random(SEED)
    pieces = special + [SIGN, "\n\n", "<0x41>", "Ⅷx", "'ſ", "'LL", "\u1e9b\u0323", "e\u0301\u0323", "\u1100\u1161\u11a8"]
    texts = base.FIXED + list(base.SPACES) + list(base.NUMERICS) + base.EMOJI + base.CONTRACTIONS + pieces
    texts += [a + b + c for a in ("x", " ", "1", "\n") for b in base.SPACES for c in ("y", "2", " ", "")]
    texts += [a + b + c for a, b, c in itertools.product(("a", " ", "a ", "\n"), special, ("b", " ", " b", "\n"))]
    texts = dict.fromkeys(texts)
    while len(texts) < TEXTS:
        kind = rng.randrange(4)
        if kind == 0:
            start = rng.randrange(len(lines) - 4)
            text = "".join(lines[start : start + rng.randint(1, 2)])
        elif kind == 1:
            text = "".join(rng.choice(pieces) + rng.choice(base.WORDS) for _ in range(rng.randint(1, 3)))
        else:
            text = "".join(base.random_piece(rng, special) for _ in range(rng.randint(1, 5)))
        if "\0" not in text:
            texts[text] = None
    return list(texts)


PAIRS = [pair for pair in (unicodedata.decomposition(chr(c)).split() for c in range(0x30000)) if len(pair) == 2]
# Characters that join the one before them without being marks: Hangul vowels and finals, and a few more.
SECONDS = {chr(int(pair[1], 16)) for pair in PAIRS if "<" not in pair[0]} | {chr(c) for c in range(0x1160, 0x1200)}


@functools.cache
def joins(character):
    """Whether normalization may join a character to the one before it."""
    first = unicodedata.normalize("NFKD", character)[0]
    return unicodedata.combining(first) > 0 or first in SECONDS


def widened(text, ids, spans):
    """The tokens with their places widened to whole joined pieces: for joined characters the library gives the place of the
    first one, we give that of all of them."""
    starts, ends, end = list(range(len(text))), [0] * len(text), len(text)
    for i in range(1, len(text)):
        if joins(text[i]):
            starts[i] = starts[i - 1]
    for i in range(len(text) - 1, -1, -1):
        ends[i] = end
        if starts[i] == i:
            end = i
    return ids, [(starts[begin], ends[max(end - 1, begin)]) for begin, end in spans]


def in_characters(text, numbers):
    """Our tokens' ids, and their places in characters; a part of a character counts as the whole, as in the library."""
    ids, begins, ends = numbers[0::3], numbers[1::3], numbers[2::3]
    if text.isascii():
        return ids, list(zip(begins, ends, strict=True))
    places = [i for i, character in enumerate(text) for _ in character.encode()]
    return ids, [(places[begin], places[end - 1] + 1) for begin, end in zip(begins, ends, strict=True)]


def tokens_of(dump, path, mode, texts):
    """For each text a flat list: id, begin and end of each token."""
    data = b"".join(text.encode() + b"\0" for text in texts)
    lines = base.output_of(dump, path, mode, data).decode().replace(":", " ").split("\n")[:-1]
    assert len(lines) == len(texts), f"{len(lines)} lines for {len(texts)} texts"
    return [list(map(int, line.split())) for line in lines]


def compare(name, reference, texts, ours, composes):
    wrong = 0
    count = 0
    theirs = reference.encode_batch(texts, add_special_tokens=False)
    for text, numbers, encoding in zip(texts, ours, theirs, strict=True):
        expected = encoding.ids, encoding.offsets
        found = in_characters(text, numbers)
        count += len(expected[0])
        if found == expected or (composes and widened(text, *found) == widened(text, *expected)):
            continue
        wrong += 1
        if wrong <= 3:
            print(f"{name}: {text!r}\n  ours      {found}\n  reference {expected}")
    print(f"{name}: {len(texts)} texts, {count} tokens, {wrong} differ")
    return wrong == 0


def read_back(name, dump, path, texts, change):
    """Whether decoding gives back the text that we encoded."""
    data = b"".join(text.encode() + b"\0" for text in texts)
    decoded = base.output_of(dump, path, "decode", data).decode().split("\0")[:-1]
    wrong = [(text, back) for text, back in zip(texts, decoded, strict=True) if back != change(text)]
    for text, back in wrong[:3]:
        print(f"{name}: {text!r} decodes as {back!r}")
    print(f"{name}: {len(texts)} texts decoded, {len(wrong)} differ")
    return not wrong


def check_family(name, family, dump, folder, lines):
    path = os.path.join(folder, name.replace(" ", "_") + ".json")
    words, merges = learn(family, lines)
    content = make_file(name, family, words, merges, path)
    reference = Tokenizer.from_file(path)
    # Places are compared untrimmed; the library's post-processor would cut off blanks.
    reference.post_processor = None
    special = [token["content"] for token in family["added"]]
    texts = make_texts(special, lines)
    assert len(texts) == TEXTS, len(texts)
    composes = isinstance(family.get("normalizer"), (normalizers.NFC, normalizers.NFKC))
    good = compare(name, reference, texts, tokens_of(dump, path, "parse", texts), composes)
    with_names = [text for text in texts if any(word in text for word in special)][:3000]
    reference.encode_special_tokens = True
    good &= compare(f"{name}, as text", reference, with_names, tokens_of(dump, path, "as_text", with_names), composes)
    reference.encode_special_tokens = False
    if name not in ("Metaspace", "Phi-3"):  # these have unknown tokens, and tokens that absorb blanks
        form = (lambda text: unicodedata.normalize("NFC", text)) if composes else str
        good &= read_back(name, dump, path, [text for text in texts if SIGN not in text][:3000], form)
    return good, content, reference, texts


def write_gguf(path, content, model, architecture="llama", **options):
    """Writes a tokenizer.json's vocabulary the way convert_hf_to_gguf.py does."""
    tokens = {i: text for text, i in content["model"]["vocab"].items()}
    rules = {token["id"]: token for token in content["added_tokens"]}
    size = max(*tokens, *rules) + 1
    texts = [rules[i]["content"] if i in rules else tokens.get(i, f"[PAD{i}]") for i in range(size)]
    kinds = []
    for i, text in enumerate(texts):
        if i in rules:
            kind = 2 if text == "<unk>" else 3 if rules[i]["special"] else 4
        else:
            kind = 6 if model == "llama" and text in BYTES else 1 if i in tokens else 5
        kinds.append(kind)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_tokenizer_model(model)
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    for key, value in options.items():
        {"pre": writer.add_tokenizer_pre, "merges": writer.add_token_merges, "scores": writer.add_token_scores}[key](value)
    if model == "llama" and content["normalizer"]["type"] == "Replace":
        writer.add_add_space_prefix(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def merges_of_scores(content):
    """Scores by id, as SentencePiece learns them, and all merges that make a token, the highest score first."""
    vocabulary = content["model"]["vocab"]
    scores = [-float(i) for i in range(len(vocabulary))]
    others = {*BYTES, *(token["content"] for token in content["added_tokens"])}
    ordinary = {text: i for text, i in vocabulary.items() if text not in others}
    merges = []
    for text, i in ordinary.items():
        for cut in range(1, len(text)):
            if text[:cut] in ordinary and text[cut:] in ordinary:
                merges.append((-scores[i], cut, [text[:cut], text[cut:]]))
    return scores, [merge for _, _, merge in sorted(merges)]


def check_gguf(name, family, dump, folder, content, reference, texts):
    path = os.path.join(folder, name.replace(" ", "_") + ".gguf")
    composes = "pre_name" in family and "normalizer" in family
    if "pre_name" in family:
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]]
        write_gguf(path, content, "gpt2", pre=family["pre_name"], merges=merges)
    else:
        # SentencePiece finds the run of four signs in the text, the converted form finds it by merges.
        content = content | {"added_tokens": [token for token in content["added_tokens"] if SIGN not in token["content"]]}
        scores, merges = merges_of_scores(content)
        write_gguf(path, content, "llama", family.get("architecture", "llama"), scores=scores)
        content["model"] = content["model"] | {"merges": merges}
        reference = Tokenizer.from_str(json.dumps(content))
        reference.post_processor = None
    texts = texts[:5000]
    return compare(f"{name} as GGUF", reference, texts, tokens_of(dump, path, "parse", texts), composes)


def main():
    dump = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.environ["APPORTION_BUILD"], "tests/tokenizer_dump")
    lines = list(corpus(random.Random(SEED)))
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for name, family in FAMILIES.items():
            start = time.monotonic()
            fine, content, reference, texts = check_family(name, family, dump, folder, lines)
            if name != "Metaspace":
                fine &= check_gguf(name, family, dump, folder, content, reference, texts)
            good &= fine
            print(f"{name}: {time.monotonic() - start:.1f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
