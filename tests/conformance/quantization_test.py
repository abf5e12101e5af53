"""Every GGUF type that the program reads unpacks to the bits that the `gguf` package gives, and the types that it writes are
packed to the package's bits.

Blocks are random bytes, so that every bit of every number and scale is tried; scales cover the whole range of finite
half-precision floats, including subnormal and negative ones. Through the program, a file with packed weights gives the
same counts as a file with their values in F32.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import gguf
import h5py
import numpy

SYSTEM = pathlib.Path(__file__).resolve().parents[1] / "system"
sys.path += [str(SYSTEM), str(SYSTEM / "inputs")]
import common  # noqa: E402
import edit_gguf  # noqa: E402

DUMP = os.path.join(os.environ["APPORTION_BUILD"], "tests", "quantization_dump")
BLOCKS = 4000
# Offsets of the half-precision floats in a block, as in ggml-common.h.
HALVES = {
    "F32": [], "BF16": [], "F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}  # fmt: skip


def finite_halves(random, count):
    halves = random.integers(0, 65536, count, dtype=numpy.uint16)
    halves[halves & 0x7C00 == 0x7C00] &= 0xBBFF
    return halves


def blocks_of(kind, random):
    size = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = random.integers(0, 256, (BLOCKS, size), dtype=numpy.uint8)
    for offset in HALVES[kind.name]:
        blocks[:, offset : offset + 2] = finite_halves(random, BLOCKS).view(numpy.uint8).reshape(BLOCKS, 2)
    if kind.name == "F32":
        blocks[:, 3] &= 0xBF  # no exponent of all ones
    if kind.name == "BF16":
        blocks[:, 1] &= 0xBF
    return blocks


def values_to_pack(random):
    """Values in all magnitudes that a Q8_0 scale may have, with ties between two steps, zeros and equal values."""
    values = random.standard_normal((BLOCKS, 32)).astype(numpy.float32) * numpy.float32(10) ** random.uniform(-9, 3, (BLOCKS, 1)).astype(numpy.float32)
    values[:100] = 0
    values[100:200, 5:] = 0
    values[200:300] = values[200:300, :1]
    steps = random.integers(-254, 255, (1000, 32)) / numpy.float32(2)
    steps[:, 0] = 127
    values[1000:2000] = steps * numpy.float32(2) ** random.integers(-20, 5, (1000, 1))
    return values.astype(numpy.float32)


def check_packing(random):
    values = values_to_pack(random)
    for name in ("Q8_0", "F16", "F32"):
        kind = gguf.GGMLQuantizationType[name]
        ours = subprocess.run([DUMP, str(int(kind)), "pack"], input=values.tobytes(), capture_output=True, check=True).stdout
        assert ours == gguf.quants.quantize(values, kind).tobytes(), f"{name} is packed otherwise"
        print(f"{name}: {values.size} values are packed to the bits of the gguf package")


def with_linear_layers(file, write):
    """The model file with each layer's matrix replaced by what write(values [rows, columns]) returns: (type, bytes)."""
    data, tensors = bytearray(), {}
    for name, (dimensions, kind, offset) in file["tensors"].items():
        assert kind == 0, "the small model is in F32"
        values = numpy.frombuffer(file["data"], "<f4", int(numpy.prod(dimensions)), offset)
        packed = values.tobytes()
        if name.startswith("blk.") and len(dimensions) == 2:
            kind, packed = write(values.reshape(dimensions[::-1]))
        tensors[name] = [dimensions, int(kind), len(data)]
        data += packed + bytes(-len(packed) % 32)
    return edit_gguf.put_together({"keys": file["keys"], "tensors": tensors, "data": data})


def counts_of(output):
    """The counts of all rounds, which depend on the model's probabilities."""
    options = ["--method", "zero-shot", "--test_sets", "v2", "--rounds", "200", "--output", output]
    subprocess.run([os.environ["APPORTION_BIN"], "run", "small.ini", *options], check=True, stdout=subprocess.DEVNULL)
    (result,) = pathlib.Path(output).glob("tasks/*/result.h5")
    found = {}
    with h5py.File(result) as store:
        store.visititems(lambda name, item: found.update({name: item[:]}) if name.endswith("counts") else None)
    assert found, "a measurement has counts"
    return {name: values.tolist() for name, values in found.items()}


def check_through_the_program():
    common.write_small_job(".")
    file = edit_gguf.take_apart(pathlib.Path("model.gguf").read_bytes())
    for name in ("Q4_0", "Q5_0", "Q5_1"):
        kind = gguf.GGMLQuantizationType[name]

        def packed(values):
            return kind, gguf.quants.quantize(values, kind).tobytes()

        def unpacked(values):
            return 0, gguf.quants.dequantize(gguf.quants.quantize(values, kind), kind).astype("<f4").tobytes()

        counts = []
        for form in (packed, unpacked):
            pathlib.Path("model.gguf").write_bytes(with_linear_layers(file, form))
            counts.append(counts_of(f"{name} {form.__name__}"))
        assert counts[0] == counts[1], f"{name}: other counts than of its values in F32"
        print(f"{name}: the program counts what it counts of the values in F32")


def main():
    random = numpy.random.default_rng(20)
    for name in HALVES:
        kind = gguf.GGMLQuantizationType[name]
        blocks = blocks_of(kind, random)
        ours = subprocess.run([DUMP, str(int(kind))], input=blocks.tobytes(), capture_output=True, check=True).stdout
        theirs = gguf.quants.dequantize(blocks.reshape(-1), kind).astype(numpy.float32)
        assert numpy.isfinite(theirs).all(), name
        assert len(numpy.unique(theirs)) > 500, name
        assert ours == theirs.tobytes(), f"{name}: {(numpy.frombuffer(ours, numpy.float32) != theirs).sum()} differ"
        print(f"{name}: {theirs.size} values have the bits of the gguf package")
    check_packing(random)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        check_through_the_program()


main()
