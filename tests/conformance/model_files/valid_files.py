"""Small models that the program accepts, as dictionaries of file name and bytes: a GGUF file, the same in parts, a Hugging
Face folder with one weights file or several, and an adapter. malformed_test.py makes each wrong in one place. Not a test
itself."""

import json
import struct

import edit_gguf
import numpy as np

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}\n{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WIDTH, HEADS, FEED_FORWARD = 16, 2, 24
TARGETS = {"q_proj": (16, 16), "v_proj": (8, 16)}  # outputs, inputs
RANK = 2
ROWS = [{"prompt": [{"role": "user", "content": "the cat"}], "answer": "0 red"}]


def byte_characters():
    """GPT-2's characters for the bytes 0 to 255."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def vocabulary():
    return byte_characters() + ["th", "the"]


def tokenizer_json():
    tokens = vocabulary()
    added = [
        {"id": len(tokens) + place, "content": mark, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for place, mark in enumerate(MARKS)
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": {token: place for place, token in enumerate(tokens)}, "merges": ["t h", "th e"]},
    }


def config_json():
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": 1,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 1,
        "vocab_size": len(vocabulary()) + len(MARKS),
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
    }


def weights():
    block = {
        "input_layernorm": (WIDTH,), "self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (WIDTH // HEADS, WIDTH),
        "self_attn.v_proj": (WIDTH // HEADS, WIDTH), "self_attn.o_proj": (WIDTH, WIDTH), "post_attention_layernorm": (WIDTH,),
        "mlp.gate_proj": (FEED_FORWARD, WIDTH), "mlp.up_proj": (FEED_FORWARD, WIDTH), "mlp.down_proj": (WIDTH, FEED_FORWARD),
    }  # fmt: skip
    shapes = {"model.embed_tokens.weight": (config_json()["vocab_size"], WIDTH), "model.norm.weight": (WIDTH,)}
    shapes |= {f"model.layers.0.{name}.weight": shape for name, shape in block.items()}
    return random_tensors(shapes)


def random_tensors(shapes):
    random = np.random.default_rng(20)
    return {name: (random.standard_normal(shape) * 0.3).astype("<f4") for name, shape in shapes.items()}


def header_of(tensors):
    """A safetensors header as a dictionary, and the data."""
    header, data = {}, b""
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    return header, data


def joined(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def safetensors(tensors):
    return joined(*header_of(tensors))


def text(value):
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def folder():
    return {
        "model/config.json": text(config_json()),
        "model/tokenizer.json": text(tokenizer_json()),
        "model/tokenizer_config.json": text({"chat_template": CHATML, "eos_token": "<|im_end|>", "bos_token": None}),
        "model/model.safetensors": safetensors(weights()),
    }


def folder_in_files():
    files, tensors = folder(), weights()
    del files["model/model.safetensors"]
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    listed = {name: names[place % 2] for place, name in enumerate(tensors)}
    for part in names:
        files[f"model/{part}"] = safetensors({name: tensors[name] for name in tensors if listed[name] == part})
    return files | {"model/model.safetensors.index.json": text({"metadata": {}, "weight_map": listed})}


def adapter_config():
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": 4,
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "rank_pattern": {},
        "alpha_pattern": {},
        "target_modules": list(TARGETS),
    }


def adapter_tensors():
    shapes = {}
    for target, (outputs, inputs) in TARGETS.items():
        prefix = f"base_model.model.model.layers.0.self_attn.{target}"
        shapes |= {f"{prefix}.lora_A.weight": (RANK, inputs), f"{prefix}.lora_B.weight": (outputs, RANK)}
    return random_tensors(shapes)


def folder_with_adapter():
    files = {"adapter/adapter_config.json": text(adapter_config()), "adapter/adapter_model.safetensors": safetensors(adapter_tensors())}
    return folder() | files


def strings(values):
    return edit_gguf.ARRAY, struct.pack("<IQ", edit_gguf.TEXT, len(values)) + b"".join(map(edit_gguf.text, values))


def gguf_file():
    """A GGUF file taken apart, as edit_gguf does it."""
    tokens, config = vocabulary() + MARKS, config_json()
    kinds = [1] * len(vocabulary()) + [3] * len(MARKS)
    keys = {
        "general.architecture": edit_gguf.word("llama"),
        "general.alignment": edit_gguf.natural(32),
        "llama.block_count": edit_gguf.natural(1),
        "llama.context_length": edit_gguf.natural(config["max_position_embeddings"]),
        "llama.embedding_length": edit_gguf.natural(WIDTH),
        "llama.feed_forward_length": edit_gguf.natural(FEED_FORWARD),
        "llama.attention.head_count": edit_gguf.natural(HEADS),
        "llama.attention.head_count_kv": edit_gguf.natural(1),
        "llama.rope.freq_base": edit_gguf.number(10000.0),
        "llama.attention.layer_norm_rms_epsilon": edit_gguf.number(1e-5),
        "tokenizer.ggml.model": edit_gguf.word("gpt2"),
        "tokenizer.ggml.pre": edit_gguf.word("qwen2"),
        "tokenizer.ggml.tokens": strings(tokens),
        "tokenizer.ggml.token_type": (edit_gguf.ARRAY, struct.pack(f"<IQ{len(kinds)}i", 5, len(kinds), *kinds)),
        "tokenizer.ggml.merges": strings(["t h", "th e"]),
        "tokenizer.ggml.eos_token_id": edit_gguf.natural(tokens.index("<|im_end|>")),
        "tokenizer.chat_template": edit_gguf.word(CHATML),
    }
    names = {
        "model.embed_tokens": "token_embd", "model.norm": "output_norm", "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    }  # fmt: skip
    file = {"keys": keys, "tensors": {}, "data": bytearray()}
    for name, values in weights().items():
        own = name.removeprefix("model.layers.0.")
        whole = names[own.removesuffix(".weight")] + ".weight"
        add_tensor(file, ("blk.0." if own != name else "") + whole, list(reversed(values.shape)), values.tobytes())
    return file


def add_tensor(file, name, dimensions, data):
    file["tensors"][name] = [dimensions, 0, len(file["data"])]
    file["data"] += data + bytes(-len(data) % 32)


def gguf():
    return {"model.gguf": edit_gguf.put_together(gguf_file())}


def gguf_parts():
    """The GGUF model in three files, taken apart."""
    whole, parts = gguf_file(), []
    for number in range(3):
        part = {"keys": dict(whole["keys"]) if number == 0 else {}, "tensors": {}, "data": bytearray()}
        part["keys"]["split.no"] = (2, struct.pack("<H", number))
        part["keys"]["split.count"] = (2, struct.pack("<H", 3))
        part["keys"]["split.tensors.count"] = (5, struct.pack("<i", len(whole["tensors"])))
        for place, (name, (dimensions, _, offset)) in enumerate(whole["tensors"].items()):
            if place % 3 == number:
                add_tensor(part, name, dimensions, whole["data"][offset : offset + 4 * int(np.prod(dimensions))])
        parts.append(part)
    return parts


def part_name(number, count=3):
    return f"model-{number + 1:05}-of-{count:05}.gguf"


def in_parts(parts):
    return {part_name(number): edit_gguf.put_together(part) for number, part in enumerate(parts)}
