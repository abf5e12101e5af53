"""Logits of the program against transformers on the same GGUF file, float32: ten prompts, difference at most 1e-4."""
import os
import subprocess
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM

BOUND = 1e-4
PROMPTS = [
    "Say one word.",
    "What is the gender of a civil engineer in the UK?",
    "1234567890 and 0 1 2",
    "Привет, как дела?",
    "a",
    "Write a short poem about the sea, in three lines, and sign it.",
    "Emoji: 🙂👩‍🚀 end",
    "    leading spaces\n\n\ttabs",
    "def f(x):\n    return x ** 2",
    "Finish the sentence: " + "the quick brown fox " * 12,
]


def read_dump(raw, vocabulary):
    position = 0
    while position < len(raw):
        count = int(np.frombuffer(raw, np.int32, 1, position)[0])
        ids = np.frombuffer(raw, np.int32, count, position + 4)
        position += 4 + 4 * count
        yield ids, np.frombuffer(raw, np.float32, vocabulary, position)
        position += 4 * vocabulary


def main(dump, model_file):
    folder, name = os.path.split(model_file)
    peer = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    raw = subprocess.run([dump, model_file], input="\0".join(PROMPTS).encode(), stdout=subprocess.PIPE, check=True).stdout
    worst, compared = 0.0, 0
    for ids, logits in read_dump(raw, peer.config.vocab_size):
        with torch.no_grad():
            expected = peer(torch.tensor(ids[None].astype(np.int64))).logits[0, -1].numpy()
        worst = max(worst, float(np.abs(expected - logits).max()))
        compared += 1
    print(f"{compared} prompts, largest difference of a logit {worst:.3g} (bound {BOUND})")
    assert compared == len(PROMPTS) and worst <= BOUND


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
