"""A data set of PNGs and JPEGs together, from its packing to a resumed run."""

import gc
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset
from nvidia.dali import Pipeline, fn, types
from PIL import Image

from engine.pipeline.imagenet import MEAN, STD
from shards.check.command import CheckOptions, check_shards
from shards.dataset import ShardDataset
from shards.errors import DataError, Interrupted
from shards.packing.pack import PackOptions, make_shards
from tests.conftest import pack, write_celeba
from tests.damage import digests, flip, problems, rebuild, samples
from tests.integration.conftest import train
from tests.integration.test_train import assert_same_run, stop_after
from tests.loading import batches, open_loader, same


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """CelebA's layout with two thirds of the images as PNG: colour, and every ninth of them grey. The tables call all of them .jpg."""
    folder = write_celeba(tmp_path_factory.mktemp("png") / "celeba")
    for number, path in enumerate(sorted((folder / "img_align_celeba").iterdir())):
        if number % 3:
            image = Image.open(path).convert("L" if number % 9 == 1 else "RGB")
            image.save(path.with_suffix(".png"))
            path.unlink()
    return folder


@pytest.fixture(scope="module")
def packed(source) -> Path:
    return pack(source, source.parent / "shards")


@pytest.fixture
def copy(packed, tmp_path) -> Path:
    return shutil.copytree(packed, tmp_path / "copy")


def pictures(source: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.asarray(Image.open(path).convert("RGB")) for path in (source / "img_align_celeba").iterdir()}


def test_the_files_are_packed_as_they_are(packed, source):
    dataset = ShardDataset(packed)
    assert dataset.manifest.format_version == 2
    names = {}
    for path in sorted(packed.glob("*.tar")):
        with tarfile.open(path) as tar:
            members = {member.name: tar.extractfile(member).read() for member in tar}
        images = [name for name in members if not name.endswith(".npy")]
        for name in images:
            assert members[name] == (source / "img_align_celeba" / name).read_bytes()
        names |= dict.fromkeys(images)
        lines = path.with_suffix(".idx").read_text().splitlines()[1:]
        assert [line.split()[3] for line in lines] == images
        assert all(line.split()[0] == line.split()[3].rpartition(".")[2] for line in lines)
    assert sorted(names) == sorted(path.name for path in (source / "img_align_celeba").iterdir())
    assert not (packed / "files.csv").exists()


def test_a_set_without_png_is_of_the_first_version(shards):
    assert ShardDataset(shards).manifest.format_version == 1
    assert b"resized" not in (shards / "manifest.json").read_bytes()


@pytest.mark.parametrize("backend", ["dali", "torch"])
def test_decoded_pixels_are_pillows(packed, source, backend):
    wanted = pictures(source)
    dataset, seen = ShardDataset(packed), 0
    with open_loader(packed, "val", backend=backend, image_size="none") as loader:
        for _ in range(loader.order.steps_per_epoch):
            batch = next(loader)
            for sample_id, image in zip(batch.ids[: batch.num_valid].tolist(), batch.images, strict=False):
                levels = np.rint(image.permute(1, 2, 0).numpy() * STD + MEAN).astype(int)
                assert np.array_equal(levels, wanted[dataset.key(sample_id)])
                seen += 1
    assert seen == len(dataset.split_range("val"))


def test_a_stopped_and_resumed_run_is_the_same_run(packed, tmp_path, monkeypatch):
    train(packed, tmp_path / "whole")
    stop_after(monkeypatch, [(0, 4), (2, 1)])
    for _ in range(2):
        with pytest.raises(Interrupted):
            train(packed, tmp_path / "parts", run__if_exists="resume")
    train(packed, tmp_path / "parts", run__if_exists="resume")
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_both(packed, source):
    wanted, seen = pictures(source), 0
    tars = sorted(str(path) for path in packed.glob("*.tar"))
    for sample in webdataset.WebDataset(tars, shardshuffle=False).decode("pilrgb").rename(image="jpg;png"):
        assert np.array_equal(np.asarray(sample["image"]), wanted[sample["__key__"]])
        seen += 1
    gc.collect()
    assert seen == len(wanted)


def test_dalis_own_reader_reads_both(packed, source):
    wanted = pictures(source)
    paths = sorted(str(path) for path in packed.glob("train-*.tar"))
    pipeline = Pipeline(batch_size=1, num_threads=1, device_id=None)
    with pipeline:
        encoded, labels = fn.readers.webdataset(
            paths=paths,
            index_paths=[path.replace(".tar", ".idx") for path in paths],
            ext=["jpg;png", "npy"],
            missing_component_behavior="error",
        )
        pipeline.set_outputs(fn.decoders.image(encoded, device="cpu", output_type=types.DALIImageType.RGB), labels)
    pipeline.build()
    keys = [Path(line.split()[3]).stem for path in paths for line in Path(path.replace(".tar", ".idx")).read_text().splitlines()[1:]]
    for key in keys:
        pixels, _ = (output.as_array()[0] for output in pipeline.run())
        assert np.array_equal(pixels, wanted[key])


def test_a_rebuilt_index_is_the_packed_one(copy, packed):
    for path in copy.iterdir():
        if path.suffix != ".tar":
            path.unlink()
    rebuild(copy, attributes=str(packed.parent / "celeba" / "list_attr_celeba.txt"))
    kept = {name for name in digests(packed) if name.endswith((".tar", ".idx", ".npy", "wids.json"))}
    assert {name: digests(copy)[name] for name in kept} == {name: digests(packed)[name] for name in kept}
    assert ShardDataset(copy).manifest.format_version == 2
    check_shards(CheckOptions(folder=str(copy), workers=1))


def test_100_of_100_flips_in_png_members_are_found(packed, copy, capsys):
    rng = np.random.default_rng(9)
    tars = sorted(packed.glob("*.tar"))
    pngs = [(tar, sample) for tar in tars for sample in samples(tar) if sample.image.suffix == "png"]
    for number in rng.integers(len(pngs), size=100).tolist():
        tar, sample = pngs[number]
        at = int(rng.integers(sample.image.header_at, sample.image.data_at + sample.image.size))
        flip(copy / tar.name, at, int(rng.integers(8)))
        lines, _ = problems(copy, capsys)
        assert any(line.startswith(f"{tar.name}: {sample.key}: ") for line in lines), (tar.name, at, lines)
        with pytest.raises(DataError, match=rf"{tar.name}: .*nothing was changed"):
            rebuild(copy)
        shutil.copy(tar, copy / tar.name)


def test_a_member_must_be_what_its_name_says(copy, capsys):
    tar = copy / "train-000000.tar"
    sample = next(sample for sample in samples(tar) if sample.image.suffix == "png")
    data = bytearray(tar.read_bytes())
    header = data[sample.image.header_at :][:512]
    renamed = header.replace(b".png", b".jpg")
    checksum = sum(renamed[:148]) + 8 * ord(" ") + sum(renamed[156:])
    data[sample.image.header_at : sample.image.header_at + 512] = renamed[:148] + b"%06o\0 " % checksum + renamed[156:]
    tar.write_bytes(data)
    lines, _ = problems(copy, capsys)
    assert f"{tar.name}: {sample.key}: its image is called .jpg, but is a PNG (at byte {sample.image.data_at})" in lines


def test_a_damaged_sample_is_told_by_both_backends_and_skipped(copy, packed):
    tar = copy / "train-000000.tar"
    sample = next(sample for sample in samples(tar) if sample.image.suffix == "png")
    flip(tar, sample.image.data_at + sample.image.size // 2, 3)
    for backend in ("dali", "torch"):
        for options in ({}, {"check_crc": False}):
            loaded = batches(7, copy, backend=backend, on_bad_sample="skip", max_bad_samples=1, **options)
            assert sum(batch.num_skipped for batch in loaded) == 1
    undisturbed = batches(7, packed)
    assert not all(same(one, other) for one, other in zip(loaded, undisturbed, strict=True))


def test_rows_without_a_suffix_take_the_jpeg_and_say_so(tmp_path, capsys):
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (30, 40), "red").save(images / f"{name}.jpg")
    Image.new("RGB", (30, 40), "blue").save(images / "c.png")
    Image.new("L", (30, 40)).save(images / "b.png")
    (tmp_path / "labels.csv").write_text("id,Smiling\na,1\nb,0\nc,1\n")
    options = {"images": str(images), "attributes": (str(tmp_path / "labels.csv"),), "key_column": "id", "workers": 1, "shards": 1}
    with pytest.raises(DataError, match=r"holds 1 images that the attribute file does not name, first 'b\.png'"):
        make_shards(PackOptions(out=str(tmp_path / "refused"), **options))
    make_shards(PackOptions(out=str(tmp_path / "out"), on_bad_image="quarantine", **options))
    told = " ".join(capsys.readouterr().out.split())
    assert "1 row names an image of which there are a JPEG and a PNG; the JPEG is taken: 'b' is 'b.jpg'" in told
    names = [line.split()[3] for path in (tmp_path / "out").glob("*.idx") for line in path.read_text().splitlines()[1:]]
    assert sorted(names) == ["a.jpg", "b.jpg", "c.png"]
