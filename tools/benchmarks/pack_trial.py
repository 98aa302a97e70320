"""A contender of `tools/benchmark pack`, to be run as a process: `python -m tools.benchmarks.pack_trial WRITER SOURCE OUT WORKERS`."""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

from shards.faces.layout import ATTRIBUTE_FILE, IMAGE_FOLDER


def pack_with_dropstream(source: Path, out: Path, check: str, workers: int) -> float:
    """Pack as `tools/make_shards` does, all that it does included, and return the seconds it took."""
    # Not at the top of the file: the worker processes load it too, as they would not load tools/make_shards.
    from shards.packing.options import PackOptions
    from shards.packing.pack import make_shards

    options = PackOptions(
        images=str(source / IMAGE_FOLDER),
        attributes=(str(source / ATTRIBUTE_FILE),),
        out=str(out),
        check="header" if check == "header" else "decode",
        workers=workers,
    )
    started = time.perf_counter()
    # What it prints is no part of the figures.
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        make_shards(options)
    return time.perf_counter() - started


def pack_with_shard_writer(source: Path, out: Path) -> float:
    """Write the same samples in the file's order with webdataset's `ShardWriter`, as its documentation does, and return the seconds."""
    import webdataset

    from shards.labels.annotation_file import read_annotations
    from shards.packing.plan import SHARD_BYTES

    out.mkdir(parents=True)
    started = time.perf_counter()
    annotations = read_annotations(source / ATTRIBUTE_FILE)
    pattern = str(out / "train-%06d.tar")
    with webdataset.ShardWriter(pattern, maxcount=10**9, maxsize=SHARD_BYTES, verbose=0) as writer:
        for file, labels in zip(annotations.files.tolist(), annotations.labels, strict=True):
            name = file.decode()
            with open(os.path.join(source, IMAGE_FOLDER, name), "rb") as image:  # noqa: PTH118, PTH123 (the fastest way, in its favour)
                writer.write({"__key__": name.rpartition(".")[0], "jpg": image.read(), "npy": labels})
    return time.perf_counter() - started


def main() -> None:
    """Pack once and print the seconds as JSON."""
    writer, source, out, workers = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    seconds = pack_with_shard_writer(source, out) if writer == "ShardWriter" else pack_with_dropstream(source, out, writer, workers)
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
