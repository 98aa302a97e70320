"""The shards read with other people's readers."""

import gc
from pathlib import Path

import numpy as np
import pytest
import webdataset
from nvidia.dali import Pipeline, fn, types
from PIL import Image

from shards.labels.annotation_file import read_annotations


@pytest.fixture(scope="module")
def source(celeba: Path):
    """Key -> (pixels of the source file, labels of the attribute file)."""
    annotations = read_annotations(celeba / "list_attr_celeba.txt")
    return {
        name.removesuffix(".jpg"): (np.asarray(Image.open(celeba / "img_align_celeba" / name)), labels.tolist())
        for name, labels in zip(map(bytes.decode, annotations.files.tolist()), annotations.labels, strict=True)
    }


def tars(shards: Path, split: str) -> list[str]:
    return sorted(str(path) for path in shards.glob(f"{split}-*.tar"))


# webdataset leaves the tars it has read to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_plain_webdataset_reads_pixels_and_labels(shards, source):
    seen = {}
    for split in ("train", "val", "test"):
        dataset = webdataset.WebDataset(tars(shards, split), shardshuffle=False).decode("pil")
        for sample in dataset:
            seen[sample["__key__"]] = (np.asarray(sample["jpg"]), sample["npy"].tolist())
    gc.collect()
    assert seen.keys() == source.keys()
    for key, (pixels, labels) in seen.items():
        assert np.array_equal(pixels, source[key][0])
        assert labels == source[key][1]


def test_dalis_own_reader_with_the_index_beside_the_tars(shards, source):
    paths = tars(shards, "train")
    pipeline = Pipeline(batch_size=1, num_threads=1, device_id=None)
    with pipeline:
        encoded, labels = fn.readers.webdataset(
            paths=paths,
            index_paths=[path.replace(".tar", ".idx") for path in paths],
            ext=["jpg", "npy"],
            missing_component_behavior="error",
        )
        pipeline.set_outputs(encoded, fn.decoders.image(encoded, device="cpu", output_type=types.DALIImageType.RGB), labels)
    pipeline.build()
    keys = [Path(line.split()[3]).stem for path in paths for line in Path(path.replace(".tar", ".idx")).read_text().splitlines()[1:]]
    assert len(keys) == 52
    for key in keys:
        _, pixels, labels = (output.as_array()[0] for output in pipeline.run())
        # Two builds of libjpeg-turbo may differ in the last bit of the inverse transform.
        assert np.abs(pixels.astype(int) - source[key][0]).max() <= 3
        assert labels[-40:].view(np.int8).tolist() == source[key][1]
