"""Many images that are few files."""

import os

from shards.labels.annotation_file import read_annotations
from tests.conftest import NUM_IMAGES
from tools.benchmarks.faces import link_faces


def test_images_and_labels_begin_again_behind_the_last(celeba, tmp_path):
    link_faces(celeba, tmp_path / "many", NUM_IMAGES + 3)
    folder, origin = tmp_path / "many" / "img_align_celeba", celeba / "img_align_celeba"
    assert sorted(os.listdir(folder)) == [f"{number + 1:06d}.jpg" for number in range(NUM_IMAGES + 3)]
    assert os.path.samefile(folder / f"{NUM_IMAGES + 2:06d}.jpg", origin / "000002.jpg")  # noqa: PTH121 (says what is meant)
    many, few = (read_annotations(path / "list_attr_celeba.txt") for path in (tmp_path / "many", celeba))
    assert many.labels[:NUM_IMAGES].tolist() == few.labels.tolist()
    assert many.labels[NUM_IMAGES:].tolist() == few.labels[:3].tolist()
