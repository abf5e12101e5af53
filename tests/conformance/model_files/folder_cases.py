"""Hugging Face folders and adapters that are each wrong in one place, for malformed_test.py. A case is (name, files, the
file to blame, words of the error)."""

import json
import struct

import numpy as np
import valid_files

CONFIG, TOKENS, TOKENS_CONFIG = "model/config.json", "model/tokenizer.json", "model/tokenizer_config.json"
WEIGHTS, INDEX = "model/model.safetensors", "model/model.safetensors.index.json"
ADAPTER, ADAPTER_CONFIG = "adapter/adapter_model.safetensors", "adapter/adapter_config.json"
UP = "model.layers.0.mlp.up_proj.weight"
GONE = object()


def also(case):
    return f"also {case[0]}", *case[1:]


def with_value(files, name, value, *steps):
    """The JSON with another value at this path of keys and indices; GONE removes it."""
    root = json.loads(files[name])
    inner = root
    for step in steps[:-1]:
        inner = inner[step]
    if value is GONE:
        del inner[steps[-1]]
    else:
        inner[steps[-1]] = value
    return files | {name: valid_files.text(root)}


def with_key_again(files, name, key, value):
    """JSON where some object has the key a second time, before the first one."""
    before, found, behind = files[name].partition(f"{json.dumps(key)}: ".encode())
    assert found and found not in behind, key
    return files | {name: before + found + f"{json.dumps(value)}, ".encode() + found + behind}


def of_config():
    folder = valid_files.folder()

    def case(key, value, words):
        return f"{key} = {json.dumps(value)}" if value is not GONE else f"no {key}", with_value(folder, CONFIG, value, key), CONFIG, words

    yield "a config that ends early", folder | {CONFIG: folder[CONFIG][:40]}, CONFIG, ["byte 40: ", "is not JSON"]
    yield "also a config that is a list", folder | {CONFIG: b"[]"}, CONFIG, ["byte 0: ", "is not a JSON object"]
    yield "a config of lists within lists", folder | {CONFIG: b"[" * 5000}, CONFIG, ["byte 100: ", "100 deep"]
    yield "also an empty config", folder | {CONFIG: b""}, CONFIG, ["byte "]
    again = with_key_again(folder, CONFIG, "rope_theta", 5e5)
    yield "a key of the config twice", again, CONFIG, ["byte ", "the key rope_theta appears twice"]
    yield case("model_type", "mamba", ['model_type is "mamba"'])
    yield also(case("model_type", GONE, ["model_type is null"]))
    yield case("hidden_size", "16", ['hidden_size is "16"; 1 to '])
    yield also(case("hidden_size", -16, ["hidden_size is -16; 1 to "]))
    yield case("num_hidden_layers", 10**6, ["num_hidden_layers is 1000000; 1 to 4096"])
    yield also(case("num_attention_heads", 3, ["num_attention_heads"]))
    yield case("hidden_act", "gelu", ['hidden_act is "gelu"'])
    yield case("hidden_act", 7, ["hidden_act is 7"])
    yield also(case("rms_norm_eps", 0, ["rms_norm_eps is 0; "]))
    yield also(case("rope_theta", "big", ['rope_theta is "big"']))
    yield case("rope_scaling", {"rope_type": "yarn", "factor": 2}, ['rope_scaling has the type "yarn"'])
    yield case("rope_scaling", {"rope_type": 7}, ["rope_scaling has the type 7"])
    yield case("rope_scaling", "linear", ['rope_scaling is "linear"'])
    yield case("layer_types", "full_attention", ['layer_types is "full_attention"'])
    yield also(case("tie_word_embeddings", "yes", ['tie_word_embeddings is "yes"']))
    yield case("new_idea", 1, ["new_idea is not supported"])
    yield case("new\nidea", 1, ["new idea is not supported"])


def of_weights():
    folder = valid_files.folder()
    header, data = valid_files.header_of(valid_files.weights())
    length = len(folder[WEIGHTS])

    def changed(change):
        new = json.loads(json.dumps(header))
        change(new)
        return folder | {WEIGHTS: valid_files.joined(new, data)}

    def up(key, value):
        return changed(lambda new: new[UP].__setitem__(key, value))

    begin, end = header[UP]["data_offsets"]
    yield "no weights", {name: content for name, content in folder.items() if name != WEIGHTS}, WEIGHTS, ["cannot read"]
    yield "also seven bytes", folder | {WEIGHTS: folder[WEIGHTS][:7]}, WEIGHTS, ["byte 0: "]
    yield "a header beyond the end", folder | {WEIGHTS: struct.pack("<Q", length) + folder[WEIGHTS][8:]}, WEIGHTS, ["byte 8: ", f"({length} bytes wanted"]
    yield "a header that is not JSON", folder | {WEIGHTS: valid_files.joined(b'{"a": }', data)}, WEIGHTS, ["byte 14: ", "is not JSON"]
    yield "also a header that is a list", folder | {WEIGHTS: valid_files.joined(b"[1]", data)}, WEIGHTS, ["byte 8: ", "is not a JSON object"]
    again = json.dumps({UP: header[UP]})[:-1].encode() + b", " + json.dumps(header)[1:].encode()
    yield "a tensor's key twice", folder | {WEIGHTS: valid_files.joined(again, data)}, WEIGHTS, ["byte ", f"the key {UP} appears twice"]
    yield "also half the data", folder | {WEIGHTS: folder[WEIGHTS][: length - 2000]}, WEIGHTS, ["byte 8: ", "data_offsets lie outside the file's"]
    yield "also an unknown type", up("dtype", "F8_E4M3"), WEIGHTS, ["byte 8: ", f"tensor '{UP}': dtype is \"F8_E4M3\""]
    yield "also a size below 0", up("shape", [-24, 16]), WEIGHTS, ["byte 8: ", f"tensor '{UP}': shape has an entry"]
    yield "also a shape of words", up("shape", "24x16"), WEIGHTS, ["byte 8: ", f"tensor '{UP}': shape is not a list"]
    yield "also a shape beyond all numbers", up("shape", [1 << 33, 1 << 33]), WEIGHTS, ["byte 8: ", f"tensor '{UP}': shape is larger"]
    yield "also half as wide", up("dtype", "F16"), WEIGHTS, ["byte 8: ", f"tensor '{UP}': data_offsets do not span the shape's 384 values"]
    yield "also the end before the beginning", up("data_offsets", [end, begin]), WEIGHTS, ["byte 8: ", f"tensor '{UP}': data_offsets lie outside"]
    yield "also one place", up("data_offsets", [begin]), WEIGHTS, ["byte 8: ", f"tensor '{UP}': data_offsets are not two"]
    yield "in another's place", up("data_offsets", [begin - 64, end - 64]), WEIGHTS, ["byte 8: ", "overlap", UP]
    yield "also another shape", up("shape", [16, 24]), WEIGHTS, ["byte ", f"tensor '{UP}' has shape [16,24]; [24,16] is expected"]
    yield "a tensor less", changed(lambda new: new.pop(UP)), WEIGHTS, ["byte ", f"tensor '{UP}' is missing"]
    bias = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    yield "also a tensor more", changed(lambda new: new.__setitem__("model.bias", bias)), WEIGHTS, ["byte ", "tensor 'model.bias' does not belong to this model"]


def with_a_nan(files, name, tensors, tensor):
    values = tensors | {tensor: tensors[tensor].copy()}
    values[tensor].flat[17] = np.nan
    return files | {name: valid_files.safetensors(values)}


def of_index():
    files = valid_files.folder_in_files()

    def listed(tensor, part):
        return with_value(files, INDEX, part, "weight_map", tensor)

    embedding = "model.embed_tokens.weight"
    yield "an index that is not JSON", files | {INDEX: files[INDEX][:-3]}, INDEX, ["byte "]
    yield "also an index without a map", files | {INDEX: b'{"metadata": {}}'}, INDEX, ["byte 0: ", "weight_map"]
    again = with_key_again(files, INDEX, UP, "model-00001-of-00002.safetensors")
    yield "a tensor twice in an index", again, INDEX, ["byte ", f"the key {UP} appears twice"]
    yield "a file that is not there", listed(UP, "model-00003-of-00002.safetensors"), INDEX, [f"weight_map: tensor '{UP}' is not in model/model-00003-of-00002.safetensors: there is no"]
    yield "a file elsewhere", listed(UP, "../model.safetensors"), INDEX, ["byte 0: ", f"weight_map: tensor '{UP}'"]
    yield "also a folder", listed(UP, ".."), INDEX, ["weight_map", UP]
    yield "also a number for a file", listed(UP, 1), INDEX, ["byte 0: ", f"weight_map: tensor '{UP}'"]
    yield "a tensor in another file", listed(embedding, "model-00002-of-00002.safetensors"), INDEX, [f"weight_map: tensor '{embedding}' is not in model/model-00002-of-00002.safetensors"]


def of_tokens():
    folder = valid_files.folder()
    size = len(valid_files.vocabulary())

    def case(name, value, *steps, words):
        return name, with_value(folder, TOKENS, value, *steps), TOKENS, ["byte ", *words]

    yield "tokens that are no JSON", folder | {TOKENS: folder[TOKENS][:500]}, TOKENS, ["byte 500: ", "is not JSON"]
    yield "also tokens of lists within lists", folder | {TOKENS: b'{"a":' * 200}, TOKENS, ["byte ", "100 deep"]
    again = with_key_again(folder, TOKENS, "the", 3)
    yield "a token twice", again, TOKENS, ["byte ", "the key the appears twice"]
    yield case("also no version", GONE, "version", words=["has no key version"])
    yield case("also a key of another time", 1, "new_idea", words=["new_idea"])
    yield case("also Unigram", "Unigram", "model", "type", words=["model.type", "Unigram"])
    yield case("also no vocabulary", [], "model", "vocab", words=["model.vocab is not an object"])
    yield case("an id twice", 5, "model", "vocab", "the", words=["model.vocab has two tokens of id 5"])
    yield case("an id below 0", -1, "model", "vocab", "the", words=["model.vocab.the is not an id"])
    yield case("also an id far away", 1 << 40, "model", "vocab", "the", words=["model.vocab.the is the id 1099511627776"])
    yield case("also a merge of one text", ["th"], "model", "merges", words=["merge 0 is not two texts"])
    yield case("a merge of no tokens", ["t h", "qq e"], "model", "merges", words=["merge 1 is of, or makes, a text that is not a token"])
    yield case("also merges that are none", "t h", "model", "merges", words=["model.merges is not a list"])
    yield case("also dropout", 0.5, "model", "dropout", words=["model.dropout"])
    yield case("a normalizer", {"type": "StripAccents"}, "normalizer", words=["normalizer is StripAccents"])
    yield case("also a cutting", {"type": "BertPreTokenizer"}, "pre_tokenizer", words=["pre_tokenizer is BertPreTokenizer"])
    split = {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated", "invert": False}
    both = {"type": "Sequence", "pretokenizers": [split, valid_files.tokenizer_json()["pre_tokenizer"]]}
    yield case("a regular expression", both, "pre_tokenizer", words=["pre_tokenizer (a"])
    yield case("also a decoder", {"type": "WordPiece"}, "decoder", words=["decoder is WordPiece"])
    yield case("also a processor", {"type": "BertProcessing"}, "post_processor", words=["post_processor is BertProcessing"])
    yield case("also a mark's id", size + 7, "added_tokens", 0, "id", words=["added_tokens.0.id is "])
    yield case("also a mark without an id", GONE, "added_tokens", 1, "id", words=["added_tokens.1 has no key id"])


def of_templates():
    folder = valid_files.folder()
    yield "a configuration of tokens", folder | {TOKENS_CONFIG: b"{,}"}, TOKENS_CONFIG, ["byte 1: ", "is not JSON"]
    yield "also a list of tokens", folder | {TOKENS_CONFIG: b"[]"}, TOKENS_CONFIG, ["byte 0: ", "is not a JSON object"]
    yield "also a template's number", with_value(folder, TOKENS_CONFIG, 7, "chat_template"), TOKENS_CONFIG, ["chat_template is neither"]
    yield "also a template's name", with_value(folder, TOKENS_CONFIG, [{"name": 7}], "chat_template"), TOKENS_CONFIG, ["chat_template is neither"]
    yield "a mark's number", with_value(folder, TOKENS_CONFIG, {"content": 7}, "eos_token"), TOKENS_CONFIG, ["eos_token"]
    yield "a template's second line", with_value(folder, TOKENS_CONFIG, "{{ a }}\n{% for %}", "chat_template"), TOKENS_CONFIG, ["chat_template, line 2: "]
    yield "a template's own file", folder | {"model/chat_template.jinja": b"\n\n{{ messages | new }}"}, "model/chat_template.jinja", ["line 3: "]


def of_adapter():
    files, tensors = valid_files.folder_with_adapter(), valid_files.adapter_tensors()

    def case(key, value, words):
        return f"{key} = {json.dumps(value)}" if value is not GONE else f"no {key}", with_value(files, ADAPTER_CONFIG, value, key), ADAPTER_CONFIG, words

    def with_tensors(change):
        new = dict(tensors)
        change(new)
        return files | {ADAPTER: valid_files.safetensors(new)}

    name = next(iter(tensors))
    yield "an adapter's configuration", files | {ADAPTER_CONFIG: b'{"r": 2'}, ADAPTER_CONFIG, ["byte 7: "]
    again = with_key_again(files, ADAPTER_CONFIG, "lora_alpha", 8)
    yield "a key of an adapter twice", again, ADAPTER_CONFIG, ["byte ", "the key lora_alpha appears twice"]
    yield case("peft_type", "IA3", ["peft_type"])
    yield case("r", 0, ["r is 0"])
    yield also(case("r", 1 << 40, ["r is 1099511627776"]))
    yield also(case("lora_alpha", "4", ['lora_alpha is "4"']))
    yield case("target_modules", "all-linear", ['target_modules is "all-linear"'])
    yield case("target_modules", ["q_proj", 7], ["target_modules"])
    yield case("target_modules", ["c_attn"], ["target_modules is [\"c_attn\"]; q_proj, "])
    yield case("use_rslora", True, ["use_rslora is true"])
    yield also(case("use_dora", True, ["use_dora is true"]))
    yield case("alpha_pattern", {"q_proj": 8}, ["alpha_pattern is "])
    yield also(case("bias", "all", ['bias is "all"']))
    yield case("layers_to_transform", [1], ["layers_to_transform"])
    yield "another rank", with_value(files, ADAPTER_CONFIG, 4, "r"), ADAPTER, ["byte ", f"tensor '{name}' has shape [2,16]; 4 rows are expected by r of adapter_config.json"]
    yield "a tensor of an adapter less", with_tensors(lambda new: new.pop(name)), ADAPTER, ["byte ", f"tensor '{name}' is missing"]
    more = name.replace("q_proj", "o_proj")
    yield "a tensor of an adapter more", with_tensors(lambda new: new.__setitem__(more, new[name])), ADAPTER, ["byte ", f"tensor '{more}' belongs to none of the target_modules"]
    yield "a weight of an adapter", with_a_nan(files, ADAPTER, tensors, name), ADAPTER, ["byte ", f"tensor '{name}' has a NaN"]
    yield "also an adapter that is cut", files | {ADAPTER: files[ADAPTER][:-4]}, ADAPTER, ["byte 8: ", "data_offsets lie outside"]
