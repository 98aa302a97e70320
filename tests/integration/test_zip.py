"""`--images FILE.zip`: packed as the folder would be that the archive makes when it is unpacked."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from shards.check.command import CheckOptions, check_shards
from shards.dataset import ShardDataset
from shards.errors import ConfigurationError, DataError, Interrupted
from shards.packing.pack import PackOptions, make_shards
from shards.storage.opening import open_folder
from shards.storage.zip_folder import ZipFolder
from tests.conftest import write_celeba
from tests.damage import digests

LABELS = "list_attr_celeba.txt"


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """`faces/` with CelebA's layout, and `faces.zip` of its images."""
    folder = write_celeba(tmp_path_factory.mktemp("zip") / "faces", num_images=40)
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("img_align_celeba")
        for path in sorted((folder / "img_align_celeba").iterdir()):
            archive.write(path, f"img_align_celeba/{path.name}")
            archive.writestr(f"__MACOSX/img_align_celeba/._{path.name}", b"\0\5\x16\7")
        archive.writestr("readme.txt", "faces")
    (folder / "readme.txt").write_text("faces")
    return folder


def pack(source: Path, images: str, out: Path | str, **options) -> Path | str:
    options = {"workers": 1, "shards": 2} | options
    make_shards(PackOptions(images=images, attributes=(str(source / LABELS),), out=str(out), **options))
    return out


def bytes_of(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in digests(folder).items() if name != "summary.json"}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_bytes_are_those_of_the_unpacked_folder(source, tmp_path, workers):
    folder = pack(source, str(source), tmp_path / "folder")
    for number, images in enumerate((f"{source}.zip", f"zip://{source}.zip", f"file://{source}.zip")):
        assert bytes_of(pack(source, images, tmp_path / f"zip-{number}", workers=workers)) == bytes_of(folder)


def test_a_relative_name_is_found_by_every_worker(source, tmp_path, monkeypatch):
    monkeypatch.chdir(source.parent)
    out = pack(source, "zip://faces.zip", tmp_path / "out", workers=2)
    assert len(ShardDataset(out)) == 40


def test_a_finished_set_is_known_and_another_archive_is_told(source, tmp_path, capsys):
    archive = tmp_path / "faces.zip"
    archive.write_bytes(source.with_suffix(".zip").read_bytes())
    out = pack(source, str(archive), tmp_path / "out")
    archive.touch()
    pack(source, str(archive), out)
    assert "is packed already, from these images and labels; nothing to do" in capsys.readouterr().out
    with zipfile.ZipFile(source.with_suffix(".zip")) as old, zipfile.ZipFile(archive, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            # A byte in the middle of one image; the size stays.
            new.writestr(member, content[:900] + b"x" + content[901:] if member.filename.endswith("a/000007.jpg") else content)
    with pytest.raises(ConfigurationError, match=r"holds a data set already \(img_align_celeba/000007\.jpg has changed\)"):
        pack(source, str(archive), out)


def test_what_is_wrong_with_one_image_is_quarantined(source, tmp_path):
    archive = tmp_path / "faces.zip"
    data = source.with_suffix(".zip").read_bytes()
    at = data.index(b"img_align_celeba/000003.jpg") + 60
    archive.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    with pytest.raises(DataError, match=r"000003\.jpg: cannot be read \(.*is damaged in the archive \(.*\); download or copy it again\)"):
        pack(source, str(archive), tmp_path / "refused")
    out = pack(source, str(archive), tmp_path / "out", on_bad_image="quarantine")
    assert "img_align_celeba/000003.jpg" in (out / "quarantine.csv").read_text()
    assert len(ShardDataset(out)) == 39


def test_the_dry_run_looks_into_it(source, tmp_path, capsys):
    options = {"attributes": (str(source / LABELS),), "out": str(tmp_path / "out"), "dry_run": True, "json": True}
    make_shards(PackOptions(images=f"{source}.zip", **options))
    found = json.loads(capsys.readouterr().out)
    assert (found["matched"], found["looked_at"], found["image_sizes"]) == (40, 40, {"178 x 218": 40})
    assert not (tmp_path / "out").exists()


def test_splits_by_folders(tmp_path, source):
    buffer = io.BytesIO()
    with zipfile.ZipFile(f"{source}.zip") as old, zipfile.ZipFile(buffer, "w") as new:
        for number in range(1, 41):
            split = ("train", "val", "test")[number % 3]
            new.writestr(f"{split}/{number:06d}.jpg", old.read(f"img_align_celeba/{number:06d}.jpg"))
    (tmp_path / "faces.zip").write_bytes(buffer.getvalue())
    out = pack(source, str(tmp_path / "faces.zip"), tmp_path / "out", partition=("folders",))
    dataset = ShardDataset(out)
    assert [len(dataset.split_range(split)) for split in ("train", "val", "test")] == [13, 14, 13]


def test_a_folder_that_holds_the_archive_alone(source, tmp_path):
    (tmp_path / "download").mkdir()
    (tmp_path / "download" / "faces.zip").write_bytes(source.with_suffix(".zip").read_bytes())
    with pytest.raises(DataError, match=r"download: holds faces\.zip and no images; name the archive: --images .*/download/faces\.zip"):
        pack(source, str(tmp_path / "download"), tmp_path / "out")


def test_the_archive_is_no_place_to_write_to(source):
    archive = source.with_suffix(".zip")
    before = archive.read_bytes()
    with pytest.raises(ConfigurationError, match=r"--out .*faces\.zip.*cannot be read as a folder .*; name a folder to write into"):
        pack(source, str(archive), archive)
    assert archive.read_bytes() == before


def test_an_archive_without_files(source, tmp_path):
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(DataError, match=r"empty\.zip: is a ZIP archive without files; download or copy it again"):
        pack(source, str(tmp_path / "empty.zip"), tmp_path / "out")


def test_a_stored_archive_and_a_folder_in_it(source, tmp_path):
    with zipfile.ZipFile(tmp_path / "stored.zip", "w") as archive:
        for path in sorted((source / "img_align_celeba").iterdir()):
            archive.write(path, f"img_align_celeba/{path.name}")
    folder = pack(source, str(source / "img_align_celeba"), tmp_path / "folder")
    out = pack(source, f"zip://img_align_celeba::{tmp_path}/stored.zip", tmp_path / "zip", workers=2)
    assert bytes_of(out) == bytes_of(folder)
    check_shards(CheckOptions(folder=str(out), workers=1))


def test_an_archive_on_s3(source, s3_folder, tmp_path):
    with open_folder(s3_folder).create("faces.zip") as file:
        file.write(source.with_suffix(".zip").read_bytes())
    out = pack(source, f"{s3_folder}/faces.zip", tmp_path / "zip")
    assert bytes_of(out) == bytes_of(pack(source, str(source), tmp_path / "folder"))


def test_a_killed_packing_is_finished_by_the_same_command(source, tmp_path, monkeypatch):
    wanted = bytes_of(pack(source, f"{source}.zip", tmp_path / "wanted", shards=4))
    num_read, read = [], ZipFolder.read_many

    def dying(folder, names):
        num_read.extend(names)
        if len(num_read) > 20:
            raise KeyboardInterrupt
        return read(folder, names)

    with monkeypatch.context() as patch:
        patch.setattr(ZipFolder, "read_many", dying)
        with pytest.raises(Interrupted, match=r"stopped with [1-9]\d* shards finished"):
            pack(source, f"{source}.zip", tmp_path / "out", shards=4)
    num_noted = len(list((tmp_path / "out" / ".parts").glob("*.json")))
    assert num_noted >= 1
    out = pack(source, f"{source}.zip", tmp_path / "out", shards=4)
    assert bytes_of(out) == wanted
    assert json.loads((out / "summary.json").read_text())["resumed_shards"] == num_noted


@pytest.mark.parametrize("name", ["faces.7z", "faces.7z.001", "faces.rar", "faces.tar.gz"])
def test_a_folder_that_holds_another_archive_alone(source, tmp_path, name):
    (tmp_path / "download").mkdir()
    (tmp_path / "download" / name).write_bytes(b"x")
    with pytest.raises(DataError, match=rf"download: holds {name} and no images; unpack it, and name the folder"):
        pack(source, str(tmp_path / "download"), tmp_path / "out")


def test_an_archive_in_an_archive(source, tmp_path):
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(source.with_suffix(".zip"), "faces.zip")
    with pytest.raises(DataError, match=r"outer\.zip: holds faces\.zip and no images; unpack it, and name the folder"):
        pack(source, str(tmp_path / "outer.zip"), tmp_path / "out")


def test_the_folder_that_would_fit_is_named_as_fsspec_names_it(source, tmp_path):
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as archive:
        for path in (source / "img_align_celeba").iterdir():
            archive.write(path, f"data/faces/train/{path.name}")
    (tmp_path / "labels.csv").write_text("file,Smiling\n" + "".join(f"train/{number:06d}.jpg,{number % 2}\n" for number in range(1, 41)))
    options = {"attributes": (str(tmp_path / "labels.csv"),), "out": str(tmp_path / "out"), "workers": 1}
    with pytest.raises(DataError, match=r"try --images zip://data/faces::\S+/deep\.zip, and 40 of 40 rows would match"):
        make_shards(PackOptions(images=f"{tmp_path}/deep.zip", **options))
    make_shards(PackOptions(images=f"zip://data/faces::{tmp_path}/deep.zip", **options))
    assert len(ShardDataset(tmp_path / "out")) == 40


def test_an_archive_at_a_url_is_no_place_to_write_to(source):
    for out in (f"zip://{source}.zip", f"zip://faces::{source}.zip", f"file://{source}.zip"):
        with pytest.raises(ConfigurationError, match=r"nothing is written; name a folder|cannot be used as a folder to write into"):
            pack(source, str(source), out)
