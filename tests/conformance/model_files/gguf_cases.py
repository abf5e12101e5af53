"""GGUF files that are each wrong in one place, for malformed_test.py. A case is (name, files, words of the error); the file
to blame is model.gguf, or the part that the words name."""

import struct

import edit_gguf
import valid_files
from edit_gguf import natural, number, word


def patched(at, data):
    """The valid file with these bytes written at an offset."""
    whole = bytearray(valid_files.gguf()["model.gguf"])
    whole[at : at + len(data)] = data
    return bytes(whole)


def place_of_value(key):
    """Where the value of a key begins, after its type."""
    whole = valid_files.gguf()["model.gguf"]
    return whole.index(edit_gguf.text(key)) + len(edit_gguf.text(key)) + 4


def changed(change):
    file = valid_files.gguf_file()
    change(file)
    return edit_gguf.put_together(file)


def with_key(key, value):
    return changed(lambda file: file["keys"].__setitem__(key, value))


def without_key(key):
    return changed(lambda file: file["keys"].pop(key))


def with_tensor(name, place, value):
    """The valid file with one field of a tensor changed: `place` 0 is the dimensions, 1 the type, 2 the offset."""
    return changed(lambda file: file["tensors"][name].__setitem__(place, value))


def without_tensor(name):
    return changed(lambda file: file["tensors"].pop(name))


def and_tensor(name, dimensions, data):
    return changed(lambda file: valid_files.add_tensor(file, name, dimensions, data))


def twice(what):
    """Two entries with one name: the file is written with a similar name, which is then overwritten."""

    def change(file):
        if what == "key":
            file["keys"]["llama.block_counX"] = natural(1)
        else:
            valid_files.add_tensor(file, "blk.0.ffn_dowX.weight", [24, 16], bytes(4 * 24 * 16))

    return changed(change).replace(b"llama.block_counX", b"llama.block_count").replace(b"blk.0.ffn_dowX", b"blk.0.ffn_down")


def not_a_number():
    def change(file):
        dimensions, _, offset = file["tensors"]["blk.0.ffn_up.weight"]
        struct.pack_into("<f", file["data"], offset + 4 * dimensions[0] * 3, float("nan"))

    return changed(change)


def of_the_file():
    whole = valid_files.gguf()["model.gguf"]
    name_of_key = 24
    yield "empty", b"", ["byte 0: ", "does not begin with"]
    yield "also another magic number", patched(0, b"GGML"), ["byte 0: ", "is it a GGUF file?"]
    yield "also a web page", b"<!DOCTYPE html><title>Not found</title>" * 9, ["byte 0: ", "is it a GGUF file?"]
    yield "version 1", patched(4, struct.pack("<I", 1)), ["byte 4: ", "GGUF version 1; only 3 is supported"]
    yield "big-endian", patched(4, struct.pack(">I", 3)), ["byte 4: ", "big-endian"]
    yield "also no end of the header", whole[:20], ["byte 8: ", "the number of tensors is 11, more than the file has room for"]
    yield "too many tensors", patched(8, struct.pack("<Q", 1 << 60)), ["byte 8: ", "the number of tensors is 1152921504606846976"]
    yield "also too many keys", patched(16, struct.pack("<Q", 1 << 40)), ["byte 16: ", "the number of metadata keys is 1099511627776"]
    yield "also one key too many", patched(16, struct.pack("<Q", 18)), ["byte "]
    yield "also one tensor too many", patched(8, struct.pack("<Q", 12)), ["byte "]
    yield "a key's length", patched(name_of_key, struct.pack("<Q", 1 << 62)), ["byte 32: ", "the file ends inside a metadata key"]
    yield "also a key with a line break", patched(name_of_key + 8, b"\n"), ["byte 24: ", "a metadata key is not"]
    text = place_of_value("general.architecture")
    yield "a text's length", patched(text, struct.pack("<Q", 1 << 50)), [f"byte {text + 8}: ", "the file ends inside a text"]
    yield "a value's type", patched(text - 4, struct.pack("<I", 13)), [f"byte {text - 4}: ", "general.architecture has value type 13"]
    tokens = place_of_value("tokenizer.ggml.tokens")
    yield "also a list's type", patched(tokens, struct.pack("<I", 99)), [f"byte {tokens}: ", "tokenizer.ggml.tokens has value type 99"]
    yield "also lists in a list", patched(tokens, struct.pack("<I", 9)), ["byte ", "tokenizer.ggml.tokens is an array of arrays"]
    yield "also a list's length", patched(tokens + 4, struct.pack("<Q", 1 << 61)), ["byte ", "tokenizer.ggml.tokens has 2305843009213693952 elements"]
    yield "also a truth", with_key("general.x", (7, b"\2")), ["byte ", "a boolean is 2; 0 or 1 is expected"]
    yield "a key twice", twice("key"), ["byte ", "metadata key llama.block_count appears twice"]
    yield "cut", whole[:-64], ["byte ", "blk.0.ffn_down.weight reach beyond the file's end"]


def of_keys():
    yield "also no architecture", without_key("general.architecture"), ["byte 16: ", "there is no metadata key general.architecture"]
    yield "another architecture", with_key("general.architecture", word("mamba")), ["general.architecture is mamba; "]
    yield "lines in an architecture", with_key("general.architecture", word("lla\n\x1b[31mma")), ["general.architecture is lla  [31mma; "]
    yield "also an architecture's number", with_key("general.architecture", natural(1)), ["general.architecture is not a text"]
    yield "no model", with_key("general.type", word("adapter")), ["general.type is adapter"]
    yield "also old packing", with_key("general.quantization_version", natural(1)), ["general.quantization_version is 1"]
    yield "alignment 24", with_key("general.alignment", natural(24)), ["general.alignment is 24; a power of two"]
    yield "also alignment 4", with_key("general.alignment", natural(4)), ["general.alignment is 4; a power of two"]
    yield "also alignment in words", with_key("general.alignment", word("32")), ["general.alignment is no uint32"]
    yield "no layers' number", without_key("llama.block_count"), ["no metadata key llama.block_count"]
    yield "also no layers", with_key("llama.block_count", natural(0)), ["llama.block_count is 0; 1 to "]
    yield "also layers in words", with_key("llama.block_count", word("1")), ["llama.block_count is not an integer"]
    yield "also a million layers", with_key("llama.block_count", natural(1000000)), ["llama.block_count is 1000000 but the file has 11 tensors"]
    yield "also a context below 0", with_key("llama.context_length", (5, struct.pack("<i", -5))), ["llama.context_length is not an integer of at least 0"]
    yield "also heads that do not fit", with_key("llama.attention.head_count", natural(3)), ["llama.attention.head_count 3"]
    yield "also more heads of keys", with_key("llama.attention.head_count_kv", natural(4)), ["llama.attention.head_count_kv 4"]
    yield "also no epsilon", without_key("llama.attention.layer_norm_rms_epsilon"), ["no metadata key llama.attention.layer_norm_rms_epsilon"]
    yield "no number", with_key("llama.rope.freq_base", number(float("nan"))), ["llama.rope.freq_base is not a positive number"]
    yield "also a key of another time", with_key("llama.new_idea", natural(1)), ["metadata key llama.new_idea is not supported"]
    yield "no tokens", without_key("tokenizer.ggml.tokens"), ["no metadata key tokenizer.ggml.tokens"]
    yield "also a token less", with_key("tokenizer.ggml.tokens", valid_files.strings(["a"] * 260)), ["the tokenizer has 260 tokens", "261 rows"]
    yield "also tokens that are numbers", with_key("tokenizer.ggml.tokens", (9, struct.pack("<IQI", 4, 1, 7))), ["tokenizer.ggml.tokens is not an array of texts"]
    yield "also another tokenizer", with_key("tokenizer.ggml.model", word("bert")), ["tokenizer.ggml.model is bert; "]
    yield "also another cutting", with_key("tokenizer.ggml.pre", word("mpt")), ["tokenizer.ggml.pre is mpt"]
    yield "an end that is no token", with_key("tokenizer.ggml.eos_token_id", natural(261)), ["tokenizer.ggml.eos_token_id is 261"]


def of_tensors():
    norm, up = "blk.0.attn_norm.weight", "blk.0.ffn_up.weight"
    yield "an unknown type", with_tensor(up, 1, 16), ["byte ", f"tensor {up} is of the type IQ2_XXS; F32"]
    yield "also no type", with_tensor(up, 1, 1 << 31), ["byte ", f"tensor {up} is of the type that has the number 2147483648"]
    yield "also no dimensions", with_tensor(up, 0, []), ["byte ", f"tensor {up} has 0 dimensions"]
    yield "also five dimensions", with_tensor(up, 0, [1] * 5), ["byte ", f"tensor {up} has 5 dimensions"]
    yield "a product beyond all numbers", with_tensor(up, 0, [1 << 32, 1 << 32, 2]), ["byte ", f"tensor {up} has a shape that is empty, too large"]
    yield "also a size of 0", with_tensor(up, 0, [16, 0]), ["byte ", f"tensor {up} has a shape that is empty"]
    yield "also beyond the end", with_tensor(up, 2, 1 << 40), ["byte ", f"bytes of tensor {up} reach beyond the file's end"]
    yield "also beyond all numbers", with_tensor(up, 2, (1 << 64) - 32), ["byte ", f"bytes of tensor {up} reach beyond the file's end"]
    yield "between two places", with_tensor(up, 2, 4), ["byte ", f"tensor {up} does not begin at a multiple of 32"]
    yield "in another's place", with_tensor(norm, 2, 0), ["byte ", "overlap", norm]
    yield "a tensor twice", twice("tensor"), ["byte ", "tensor blk.0.ffn_down.weight appears twice"]
    yield "a tensor less", without_tensor(up), ["byte 8: ", f"there is no tensor {up}"]
    yield "also another shape", with_tensor(up, 0, [24, 16]), ["byte ", f"tensor {up} has shape [16, 24]; [24, 16] is expected"]
    yield "also a bias", and_tensor("blk.0.attn_q.bias", [16], bytes(64)), ["byte ", "tensor blk.0.attn_q.bias", "biases are not supported"]
    yield "also an embedding of one row", with_tensor("token_embd.weight", 0, [16]), ["byte ", "token_embd.weight has shape [16]"]


def when_it_is_read():
    """Faults that `inspect` does not read, or shows along with the rest."""
    yield "a weight that is no number", not_a_number(), ["byte ", "tensor blk.0.ffn_up.weight has a NaN or an infinity in row 3"]
    yield "a merge of no tokens", with_key("tokenizer.ggml.merges", valid_files.strings(["t h", "zz e"])), ["byte ", "merge 1 is of, or makes, a text that is not a token"]
    yield "also too few kinds", with_key("tokenizer.ggml.token_type", (9, struct.pack("<IQ2i", 5, 2, 1, 1))), ["byte ", "there are 2 token types for 261"]
    yield "a template's third line", with_key("tokenizer.chat_template", word("{{ bos }}\n\n{% if %}")), ["byte ", "tokenizer.chat_template, line 3: "]


def in_parts(change):
    parts = valid_files.gguf_parts()
    change(parts)
    return valid_files.in_parts(parts)


def with_part_key(part, key, value):
    return in_parts(lambda parts: parts[part]["keys"].__setitem__(key, value))


def of_parts():
    """Cases in parts: (name, files, the file that is given, words)."""
    first, second, third = (valid_files.part_name(number) for number in range(3))
    valid = valid_files.in_parts(valid_files.gguf_parts())
    without = {name: data for name, data in valid.items() if name != second}
    yield "a part less", without, first, [f"{first}, byte ", f"(split.count), missing: {second};"]
    yield "a part's other name", without | {"model.gguf": valid[second]}, "model.gguf", ["model.gguf, byte ", "(split.no, split.count)", "-00002-of-00003.gguf"]
    yield "parts exchanged", valid | {second: valid[third], third: valid[second]}, first, [f"{second}, byte ", "split.no is 2"]
    yield "also a part that is no file of GGUF's", valid | {third: b"GG"}, first, [f"{third}, byte 0: "]
    yield "a part that is cut", valid | {third: valid[third][:-32]}, second, [f"{third}, byte ", "reach beyond the file's end"]
    yield "also a number too large", with_part_key(0, "split.no", natural(3)), first, [f"{first}, byte ", "split.no is 3", "0 to 2 is expected"]
    yield "also a number in words", with_part_key(1, "split.no", word("1")), first, [f"{second}, byte ", "split.no is not an integer"]
    yield "also a count in words", with_part_key(0, "split.count", word("3")), first, [f"{first}, byte ", "split.count is not an integer"]
    yield "also a million parts", with_part_key(0, "split.count", natural(1000000)), first, [f"{first}, byte ", "split.count is 1000000; up to 65535"]
    yield "another count", with_part_key(2, "split.count", natural(4)), first, [f"{third}, byte ", f"split.count is 4, and 3 in {first}"]
    yield "also no sum", in_parts(lambda parts: parts[0]["keys"].pop("split.tensors.count")), second, [f"{first}, byte ", "no metadata key split.tensors.count"]
    yield "tensors less", in_parts(lambda parts: parts[1]["tensors"].pop("blk.0.attn_q.weight", None) or parts[1]["tensors"].popitem()), first, [
        f"{first}, byte ", "split.tensors.count is 11, but the 3 parts have 10 tensors"]  # fmt: skip
    yield "another model's key", with_part_key(1, "general.architecture", word("qwen2")), first, [f"{second}, byte ", "metadata key general.architecture"]
    yield "also another alignment", with_part_key(1, "general.alignment", natural(8)), first, [f"{second}, byte ", "aligned to 8 (general.alignment)"]
    again = in_parts(lambda parts: valid_files.add_tensor(parts[2], "output_norm.weight", [16], bytes(64)))
    yield "a tensor in two parts", again, third, [f"{third}, byte ", "tensor output_norm.weight appears twice, also in ", f"{second}, byte "]
    row = in_parts(lambda parts: parts[2]["tensors"]["blk.0.attn_norm.weight"].__setitem__(0, [8]))
    yield "also another shape in a part", row, first, [f"{third}, byte ", "tensor blk.0.attn_norm.weight has shape [8]; [16] is expected"]
