"""The images of `tools/benchmark loader` in each contender's format; what is made is kept for the next run."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from shards.faces.layout import ATTRIBUTE_FILE, IMAGE_FOLDER, image_name
from shards.manifest import MANIFEST
from shards.packing.options import PackOptions
from shards.packing.pack import make_shards
from tools.benchmarks.faces import link_faces
from tools.benchmarks.loader.work import Work
from tools.benchmarks.pack import drawn_faces
from tools.benchmarks.trial import run_trial

_CONVERT = "tools.benchmarks.loader.convert"
_SHARDS = 32
"""A shard belongs to one worker at a time: enough for many workers to have several each."""


def drawn_and_packed(folder: Path, num_images: int, workers: int) -> tuple[Path, Path]:
    """Return the folder of the images and that of their shards.

    Args:
        folder: The benchmarks' folder.
        num_images: Images.
        workers: Worker processes that will share the shards.
    """
    faces = drawn_faces(folder, num_images)
    num_shards = min(max(_SHARDS, workers), num_images)
    shards = folder / f"shards-{num_images}-in-{num_shards}"
    _pack(faces, shards, num_images, num_shards=num_shards, check="decode")
    return faces, shards


def packed_many(folder: Path, faces: Path, num_images: int) -> Path:
    """Return the folder of the shards of many images: the same ones under further names.

    Args:
        folder: The benchmarks' folder.
        faces: Images to take.
        num_images: How many they shall be.
    """
    shards = folder / f"shards-{num_images}-of-{faces.name}"
    if not (shards / MANIFEST).exists():
        with tempfile.TemporaryDirectory(prefix="links-", dir=folder) as scratch:
            link_faces(faces, Path(scratch) / "faces", num_images)
            _pack(Path(scratch) / "faces", shards, num_images, num_shards=None, check="header")
    return shards


def convert_for_litdata(work: Work) -> None:
    """Write the images once more as litdata stores them, if they are not there yet.

    Raises:
        TrialError: litdata failed.
    """
    folder = Path(work.litdata)
    if folder.exists():
        return
    print(f"converting for litdata: {folder}")
    # Under its name only once it is complete.
    with tempfile.TemporaryDirectory(prefix="litdata-", dir=folder.parent) as scratch:
        run_trial(_CONVERT, work.to_json(), scratch)
        shutil.move(Path(scratch) / "out", folder)


def warm(*folders: Path) -> None:
    """Read all files once, so that nobody reads them from the disk for the others."""
    for folder in folders:
        for entry in os.scandir(folder):
            if entry.is_file():
                Path(entry).read_bytes()


def _pack(faces: Path, out: Path, num_images: int, *, num_shards: int | None, check: Literal["decode", "header"]) -> None:
    if (out / MANIFEST).exists():
        return
    print(f"packing {num_images:,} images: {out}")
    with tempfile.TemporaryDirectory(prefix="partition-", dir=out.parent) as scratch:
        partition = Path(scratch) / "partition.txt"
        # All for training: every contender loads all of them.
        partition.write_text("".join(f"{image_name(number)} 0\n" for number in range(num_images)), encoding="ascii")
        options = PackOptions(
            images=str(faces / IMAGE_FOLDER),
            attributes=(str(faces / ATTRIBUTE_FILE),),
            partition=(str(partition),),
            out=str(out),
            shards=num_shards,
            check=check,
        )
        # Its report is about packing.
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
            make_shards(options)
