"""`--resize`: a data set of smaller JPEGs, from its packing to training."""

import dataclasses
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shards.check.command import CheckOptions, check_shards
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError
from shards.image import resize
from shards.manifest import Resized
from shards.packing import job as job_module
from shards.packing.options import PackOptions
from tests.conftest import pack, write_celeba
from tests.damage import digests, rebuild
from tests.integration.conftest import train


@pytest.fixture
def source(tmp_path) -> Path:
    """CelebA's layout; one image is a PNG, one lies on its side."""
    folder = write_celeba(tmp_path / "celeba", num_images=40)
    images = folder / "img_align_celeba"
    Image.open(images / "000002.jpg").save(images / "000002.png")
    (images / "000002.jpg").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(images / "000003.jpg").save(images / "000003.jpg", exif=exif)
    return folder


def packed_images(folder: Path) -> dict[str, Image.Image]:
    dataset = ShardDataset(folder)
    images = {}
    for number, row in enumerate(dataset.index):
        data = dataset.shard_path(row["shard"]).read_bytes()[row["offset"] :][: row["size"]]
        images[dataset.key(number)] = Image.open(io.BytesIO(data))
        assert images[dataset.key(number)].size == (row["width"], row["height"])
    return images


def test_every_image_is_a_small_upright_jpeg_and_the_manifest_says_how(source, tmp_path):
    out = pack(source, tmp_path / "out", resize=48, quality=80)
    images = packed_images(out)
    assert {image.format for image in images.values()} == {"JPEG"}
    assert {min(image.size) for image in images.values()} == {48}
    assert images["000003"].width > images["000003"].height
    manifest = ShardDataset(out).manifest
    assert manifest.format_version == 2
    assert dataclasses.asdict(manifest.resized) == {"side": 48, "quality": 80, "encoder": resize.encoder()}
    check_shards(CheckOptions(folder=str(out), workers=1))
    train(out, tmp_path / "run", train__epochs=1)


def test_the_bytes_do_not_depend_on_the_workers_and_a_rebuild_changes_none(source, tmp_path):
    one = digests(pack(source, tmp_path / "one", resize=48))
    out = pack(source, tmp_path / "two", resize=48, workers=2)
    two = digests(out)
    del one["summary.json"], two["summary.json"]
    assert one == two
    rebuild(out)
    again = digests(out)
    del again["summary.json"]
    assert again == two


def test_a_second_packing_sees_whether_it_is_the_same(source, tmp_path, capsys, monkeypatch):
    out = pack(source, tmp_path / "out", resize=48)
    touched = source / "img_align_celeba" / "000005.jpg"
    pack(source, out, resize=48)
    os.utime(touched, (1, 1))
    pack(source, out, resize=48)
    assert capsys.readouterr().out.count("is packed already, from these images and labels; nothing to do") == 2
    for options, named in (
        ({"resize": 64}, "images resized to 48 at quality 95 by Pillow .*, not resized to 64 at quality 95"),
        ({"resize": 48, "quality": 94}, "images resized to 48 at quality 95 by Pillow .*, not resized to 48 at quality 94"),
        ({}, "images resized to 48 at quality 95 by Pillow .*, not as they were"),
    ):
        with pytest.raises(ConfigurationError, match=rf"holds a data set already \({named}"):
            pack(source, out, **options)
    Image.fromarray(np.zeros((218, 178, 3), np.uint8)).save(touched)
    with pytest.raises(ConfigurationError, match=r"holds a data set already \(000005\.jpg has changed\)"):
        pack(source, out, resize=48)
    touched.write_text("no image")
    with pytest.raises(ConfigurationError, match=r"holds a data set already \(000005\.jpg has changed\)"):
        pack(source, out, resize=48)
    monkeypatch.setattr(resize, "encoder", lambda: "Pillow 99")
    with pytest.raises(ConfigurationError, match=r"by Pillow \d+\..*, not resized to 48 at quality 95 by Pillow 99"):
        pack(source, out, resize=48)


def test_an_interrupted_packing_goes_on_with_the_same_settings_only(source, tmp_path, monkeypatch):
    whole = digests(pack(source, tmp_path / "whole", resize=48))

    def stop_at_val(shard_job, *args, **options):
        if shard_job.name.startswith("val"):
            raise DataError("stopped")
        return job_module.pack_shard(shard_job, *args, **options)

    out = tmp_path / "out"
    for options in ({"resize": 60}, {"resize": 48}):
        with monkeypatch.context() as patch, pytest.raises(DataError, match="stopped"):
            patch.setattr("shards.packing.runner.local.pack_shard", stop_at_val)
            pack(source, out, **options)
    pack(source, out, resize=48)
    done = digests(out)
    del whole["summary.json"], done["summary.json"]
    assert done == whole


def test_a_machine_with_another_encoder_is_refused(source, tmp_path, monkeypatch):
    monkeypatch.setattr(PackOptions, "resized", lambda _: Resized(side=48, quality=95, encoder="Pillow 1"))
    with pytest.raises(DataError, match=r"--resize: this machine has Pillow \d.*, and the one that packs Pillow 1; install the same"):
        pack(source, tmp_path / "out", resize=48)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resize": 0}, "--resize is 0, expected 1 to 65500 pixels"),
        ({"resize": 65_501}, "--resize is 65501, expected 1 to 65500 pixels"),
        ({"quality": 90}, "--quality has no effect without --resize"),
        ({"resize": 9, "quality": 0}, "--quality is 0, expected 1 to 100"),
        ({"resize": 9, "quality": 101}, "--quality is 101, expected 1 to 100"),
    ],
)
def test_settings_that_cannot_be(source, tmp_path, options, message):
    with pytest.raises(ConfigurationError, match=message):
        pack(source, tmp_path / "out", **options)
