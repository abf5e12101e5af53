"""Small random models of each architecture, as transformers saves them, each with its own tokenizer. Not a test itself."""

import json
import os

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

VOCABULARY = 400
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PHI3 = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
SIZES = dict(
    vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=512, bos_token_id=0, eos_token_id=1,
)  # fmt: skip
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
# Shorter than the tests' prompts: layers with a window see less than the others.
WINDOW = 24
# These weights are far from those of a trained model; with these values the caps change every log-prob.
GEMMA = dict(head_dim=32, query_pre_attn_scalar=24, attn_logit_softcapping=8.0, final_logit_softcapping=6.0, sliding_window=WINDOW)
# By name: transformers' configuration class, and what is special.
FAMILIES = {
    "llama": ("LlamaConfig", dict(rope_theta=50000.0)),
    "llama-tied": ("LlamaConfig", dict(tie_word_embeddings=True, num_key_value_heads=4)),
    "llama-head-dim": ("LlamaConfig", dict(head_dim=24)),
    "llama3-rope": ("LlamaConfig", dict(rope_theta=10000.0, rope_scaling=LLAMA3)),
    "llama-linear-rope": ("LlamaConfig", dict(rope_scaling={"rope_type": "linear", "factor": 4.0})),
    "mistral": ("MistralConfig", dict(sliding_window=None)),
    "mistral-window": ("MistralConfig", dict(sliding_window=WINDOW)),
    "qwen2": ("Qwen2Config", dict()),
    "qwen2-tied": ("Qwen2Config", dict(tie_word_embeddings=True)),
    "qwen2-window": ("Qwen2Config", dict(use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1)),
    "qwen3": ("Qwen3Config", dict(head_dim=32)),
    "gemma2": ("Gemma2Config", GEMMA),
    "gemma2-head-scale": ("Gemma2Config", GEMMA | dict(query_pre_attn_scalar=32)),
    "gemma2-untied": ("Gemma2Config", GEMMA | dict(tie_word_embeddings=False, attn_logit_softcapping=None, num_key_value_heads=4, sliding_window=512)),
    "phi3": ("Phi3Config", dict(pad_token_id=None, sliding_window=512)),
    "phi3-tied": ("Phi3Config", dict(pad_token_id=None, tie_word_embeddings=True, partial_rotary_factor=1.0)),
    "phi3-window": ("Phi3Config", dict(pad_token_id=None, sliding_window=WINDOW)),
}


def linear_names(model):
    """The names of a block's linear layers, in the model's order: what peft's target_modules may contain."""
    return [name.rpartition(".")[2] for name, module in model.model.layers[0].named_modules() if isinstance(module, torch.nn.Linear)]


def write_phi3_tokenizer(folder):
    """A SentencePiece tokenizer as tokenizer.json, with a blank before each piece of text. Digits never join that blank, as in
    Llama 2; marks absorb the blanks after them, as in Phi-3."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *(chr(code) for code in range(33, 127))]
    merges = [("\u2581", letter) for letter in "ABCDEFWabcdefghimnoprstw"]
    vocabulary = {token: place for place, token in enumerate(tokens + ["".join(merge) for merge in merges])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    marks = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
    tokenizer.add_special_tokens([AddedToken(name, rstrip=name != "<|endoftext|>", normalized=False) for name in marks])
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    write_tokenizer_config(folder, {"chat_template": PHI3, "eos_token": "<|endoftext|>", "bos_token": "<s>"})


def write_tokenizer_config(folder, values):
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump(values | {"tokenizer_class": "PreTrainedTokenizerFast"}, file)


def write_tokenizer(folder):
    """Byte-level BPE with a few merges and ChatML's marks."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 20, special_tokens=marks, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(dir(torch)), " ".join(dir(transformers))], trainer)
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    write_tokenizer_config(folder, {"chat_template": CHATML, "eos_token": "<|im_end|>", "bos_token": None})


def make(folder, family, dtype=torch.float32, vocabulary=VOCABULARY, **saving):
    """Writes the model and returns it in float32. Vectors get distinct values: initially they are ones and zeros, so
    misplaced ones would not show."""
    name, special = FAMILIES[family]
    torch.manual_seed(sorted(FAMILIES).index(family))
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, name)(**(SIZES | special | dict(vocab_size=vocabulary))))
    for parameter in model.parameters():
        with torch.no_grad():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
            else:
                parameter.mul_(4)  # so that log-probs are far from equal
    model.to(dtype).save_pretrained(folder, **saving)
    write_phi3_tokenizer(folder) if family == "phi3" else write_tokenizer(folder)
    # Only eager attention caps scores.
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
