"""The faces that are measured with: `python -m tools.benchmarks.gpu.prepare WORK`."""

import sys
import tempfile
from pathlib import Path

from shards.faces.layout import ATTRIBUTE_FILE, IMAGE_FOLDER, image_name
from shards.manifest import MANIFEST
from shards.packing.options import PackOptions
from shards.packing.pack import make_shards
from tools.benchmarks.faces import link_faces
from tools.benchmarks.gpu.work import Work
from tools.benchmarks.pack import drawn_faces


def main() -> None:
    """Draw and pack, unless that is done."""
    work = Work.from_json(sys.argv[1])
    folder, shards = Path(work.folder), Path(work.shards)
    if (shards / MANIFEST).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    faces = drawn_faces(folder, work.num_drawn)
    with tempfile.TemporaryDirectory(prefix="links-", dir=folder) as name:
        links, partition = Path(name) / "faces", Path(name) / "partition.txt"
        num_images = work.num_train + 2 * work.num_eval
        # Reading and decoding do not care that faces come again under other names.
        link_faces(faces, links, num_images)
        bounds = (work.num_train, work.num_train + work.num_eval)
        splits = [sum(number >= bound for bound in bounds) for number in range(num_images)]
        partition.write_text("".join(f"{image_name(number)} {split}\n" for number, split in enumerate(splits)), encoding="ascii")
        make_shards(
            PackOptions(
                images=str(links / IMAGE_FOLDER),
                attributes=(str(links / ATTRIBUTE_FILE),),
                partition=(str(partition),),
                out=str(shards),
                check="header",
            )
        )


if __name__ == "__main__":
    main()
