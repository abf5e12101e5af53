"""Takes a small GGUF file apart and puts it together again with something changed. Covers only what system tests need of
the format. A file is {"keys": {name: (type, bytes)}, "tensors": {name: [dimensions, type, offset]}, "data": bytes}."""

import struct

UINT32, FLOAT32, TEXT, ARRAY = 4, 6, 8, 9
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def number(value):
    return FLOAT32, struct.pack("<f", value)


def natural(value):
    return UINT32, struct.pack("<I", value)


def word(value):
    return TEXT, text(value)


def end_of_value(data, kind, at):
    if kind == TEXT:
        return at + 8 + struct.unpack_from("<Q", data, at)[0]
    if kind == ARRAY:
        inner, count = struct.unpack_from("<IQ", data, at)
        at += 12
        for _ in range(count):
            at = end_of_value(data, inner, at)
        return at
    return at + SIZES[kind]


def take_apart(data):
    tensors, keys = struct.unpack_from("<QQ", data, 8)
    file, at = {"keys": {}, "tensors": {}}, 24

    def name():
        nonlocal at
        size = struct.unpack_from("<Q", data, at)[0]
        at += 8 + size
        return data[at - size : at].decode()

    for _ in range(keys):
        key = name()
        kind = struct.unpack_from("<I", data, at)[0]
        end = end_of_value(data, kind, at + 4)
        file["keys"][key], at = (kind, data[at + 4 : end]), end
    for _ in range(tensors):
        key = name()
        count = struct.unpack_from("<I", data, at)[0]
        dimensions = struct.unpack_from(f"<{count}Q", data, at + 4)
        kind, offset = struct.unpack_from("<IQ", data, at + 4 + 8 * count)
        file["tensors"][key] = [list(dimensions), kind, offset]
        at += 16 + 8 * count
    file["data"] = bytearray(data[(at + 31) // 32 * 32 :])
    return file


def put_together(file):
    out = b"GGUF" + struct.pack("<IQQ", 3, len(file["tensors"]), len(file["keys"]))
    for key, (kind, value) in file["keys"].items():
        out += text(key) + struct.pack("<I", kind) + value
    for key, (dimensions, kind, offset) in file["tensors"].items():
        out += text(key) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, kind, offset)
    return out + bytes(-len(out) % 32) + bytes(file["data"])
