"""Faces under further names: many images in CelebA's layout that take no further space on the disk."""

import os
from pathlib import Path

from shards.faces.layout import ATTRIBUTE_FILE, IMAGE_FOLDER, image_name


def link_faces(source: Path, out: Path, num_images: int) -> None:
    """Fill `out` with hard links to the images of `source`, over and over, and with their labels.

    No disk is filled and no hour spent drawing.

    Args:
        source: Folder that `tools/make_faces` wrote.
        out: Folder to make, on the same file system: hard links do not cross.
        num_images: Images of the new folder.
    """
    _, names, *rows = (source / ATTRIBUTE_FILE).read_text(encoding="ascii").splitlines()
    (out / IMAGE_FOLDER).mkdir(parents=True)
    with (out / ATTRIBUTE_FILE).open("w", encoding="ascii") as table:
        table.write(f"{num_images}\n{names}\n")
        for number in range(num_images):
            origin = number % len(rows)
            os.link(source / IMAGE_FOLDER / image_name(origin), out / IMAGE_FOLDER / image_name(number))
            table.write(f"{image_name(number)} {rows[origin].partition(' ')[2]}\n")
