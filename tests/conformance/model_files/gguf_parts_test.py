"""A model in parts written by the `gguf` package: given any part, the program's output is byte for byte that of the whole
file; parts that are missing, renamed or from another model are named."""

import json
import os
import pathlib
import shutil
import sys
import tempfile

import gguf

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "system"))
import common  # noqa: E402

ROWS = [
    {"prompt": [{"role": "user", "content": "What colour has a ball?"}], "answer": "0 red"},
    {"prompt": "It is", "answer": " the person"},
    {"prompt_ids": list(range(40)), "answer_ids": [7, 8, 9]},
]
UNTRAINED = ["--method", "zero-shot", "--test_sets", "v2", "--rounds", "2"]


def write(whole, path, alignment=None, changed=lambda values: values, **split):
    """Copies a model file through the package's reader and writer; returns the paths that it writes."""
    path.parent.mkdir(exist_ok=True)
    reader = gguf.GGUFReader(whole)
    writer = gguf.GGUFWriter(None, reader.fields["general.architecture"].contents(), **split)
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            writer.add_key_value(key, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
    if alignment:
        writer.add_custom_alignment(alignment)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, changed(tensor.data))
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(path.parent.glob(f"{path.stem}*.gguf"))


def score(model):
    rows = model.parent / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return common.call("score", model, rows).stdout


def described(model):
    first, rest = common.call("inspect", model).stdout.split("\n", 1)
    assert first == f"model     {model}", first
    return rest


def refused(model, *words, command="inspect"):
    said = common.call(command, model, *(["rows.jsonl"] if command == "score" else []), code=2).stderr
    assert said.startswith("apportion: ") and said.count("\n") == 1, said
    for word in words:
        assert str(word) in said, (word, said)


def equal_whole_and_in_parts(whole, parts):
    expected, page = score(whole), described(whole)
    assert expected.count("\n") == len(ROWS)
    for part in parts:
        assert score(part) == expected, f"{part.name}: other log-probs than of the whole file"
        assert described(part) == page, part.name
    # The first part has no tensors, for quick downloads.
    quick = write(whole, whole.parent / "quick" / "toy.gguf", split_max_tensors=9, small_first_shard=True)
    assert len(gguf.GGUFReader(quick[0]).tensors) == 0 and score(quick[1]) == expected
    for alignment in (8, 256):
        assert score(*write(whole, whole.parent / f"aligned-{alignment}" / "toy.gguf", alignment)) == expected


def parts_are_one_task(work, whole, parts):
    """Whichever part a job names, the model's tasks are the same and are done once."""

    def run(model, output):
        common.call("run", "small.ini", *UNTRAINED, f"--model={model}", f"--output={output}", cwd=work)
        return common.contents(work / output)

    first = run(parts[0], "parts")
    assert len(first) == 1 and run(parts[-1], "parts") == first, "another part is another model"
    (of_whole,) = run(whole, "whole").items()
    assert of_whole[0] not in first, "the files' bytes are a task's identity"


def named_where_they_do_not_fit(parts, other):
    names = [part.name for part in parts]

    def in_folder(change):
        folder = parts[0].parent.parent / "changed"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(parts[0].parent, folder)
        change(folder)
        return folder

    folder = in_folder(lambda at: (at / names[1]).unlink())
    for command in ("inspect", "score"):
        refused(folder / names[2], f"{names[2]}, byte ", f"missing: {folder / names[1]}; put", command=command)
    (folder / names[0]).unlink()
    refused(folder / names[2], f"missing: {folder / names[0]}, and 1 more")
    folder = in_folder(lambda at: (at / names[1]).rename(at / "other.gguf"))
    refused(folder / "other.gguf", "other.gguf, byte ", f"part 2 of {len(parts)} (split.no, split.count)", names[1].removeprefix("toy"))
    # Parts that are all renamed alike are still parts.
    folder = in_folder(lambda at: [(at / name).rename(at / name.replace("toy", "new name")) for name in names])
    assert score(folder / names[0].replace("toy", "new name")) == score(parts[0])

    def exchanged(at):
        (at / names[1]).rename(at / "x")
        (at / names[2]).rename(at / names[1])
        (at / "x").rename(at / names[2])

    refused(in_folder(exchanged) / names[0], f"{names[1]}, byte ", "split.no is 2", "part 2, which has 1")
    folder = in_folder(lambda at: shutil.copy(other[1], at / names[1]))
    refused(folder / names[0], f"{names[1]}, byte ", "split.count is 3, and 4 in ", names[0])
    folder = in_folder(lambda at: os.truncate(at / names[2], (at / names[2]).stat().st_size - 64))
    refused(folder / names[0], f"{names[2]}, byte ", "reach beyond the file's end: is it complete?\n")
    folder = in_folder(lambda at: os.truncate(at / names[1], 3))
    refused(folder / names[0], f"{names[1]}, byte 0: ")
    refused(folder, f"give its own path, as {folder / names[0]}")


def found_by_name(parts):
    """A NAME is looked up in the user's model folders, also if its file came in parts."""
    cache = parts[0].parent.parent / "cache"
    shutil.copytree(parts[0].parent, cache / "apportion")
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    page = described(parts[0])
    for name in ("toy", parts[0].stem, parts[2].stem):
        assert common.call("inspect", name, environment=environment).stdout == f"model     {name}\n{page}", name


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        os.chdir(work)
        common.write_small_job(work)
        whole = work / "model.gguf"
        parts = write(whole, work / "parts" / "toy.gguf", split_max_tensors=5)
        assert len(parts) == 4, parts
        equal_whole_and_in_parts(whole, parts)
        parts_are_one_task(work, whole, parts)
        other = write(whole, work / "other" / "toy.gguf", split_max_tensors=7)
        other = [shutil.copy(path, path.with_name(parts[i].name)) for i, path in enumerate(other)]
        named_where_they_do_not_fit(parts, other)
        found_by_name(parts)
    print("a model in parts is the model")


if __name__ == "__main__":
    main()
