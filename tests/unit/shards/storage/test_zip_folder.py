"""A ZIP archive read as a folder, whatever is wrong with it."""

import io
import random
import resource
import struct
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from shards.errors import ConfigurationError, DataError
from shards.image.header import MAX_BYTES
from shards.storage import zip_folder
from shards.storage.archive_file import open_archive
from shards.storage.folder import UnreadableFileError
from shards.storage.opening import as_path, open_folder, open_images
from shards.storage.zip_directory import read_directory
from shards.storage.zip_folder import ZipFolder

CONTENTS = {"img/1.jpg": b"one" * 500, "img/sub/2.jpg": b"two", "3.jpg": b""}


def write(path: Path, contents: dict[str, bytes] | None = None, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in (CONTENTS if contents is None else contents).items():
            archive.writestr(name, content)
    return path


def read(path: Path, *names: str) -> list[bytes]:
    return list(open_images(str(path)).read_many(names))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_all_files_are_listed_and_read(tmp_path, method):
    path = write(tmp_path / "faces.zip", method=method)
    with zipfile.ZipFile(path, "a") as archive:
        archive.mkdir("empty")
    found = {info.name: info.size for info in open_images(str(path)).list()}
    assert found == {name: len(content) for name, content in CONTENTS.items()}
    names = list(reversed(found))
    assert read(path, *names) == [CONTENTS[name] for name in names]


@pytest.mark.parametrize("name", ["faces.zip", "faces", "faces.ZIP", "faces.download"])
def test_an_archive_is_known_by_its_content(tmp_path, name):
    path = write(tmp_path / name)
    assert isinstance(open_images(str(path)), ZipFolder)
    assert isinstance(open_images(f"zip://{path}"), ZipFolder)


@pytest.mark.parametrize("inside", ["img", "img/", "/img"])
def test_a_folder_in_an_archive_as_fsspec_names_it(tmp_path, inside):
    path = write(tmp_path / "faces.zip", CONTENTS | {"image/4.jpg": b"four"})
    for url in (f"zip://{inside}::{path}", f"zip://{inside}::file://{path}"):
        images = open_images(url)
        assert {info.name: info.size for info in images.list()} == {"1.jpg": 1500, "sub/2.jpg": 3}
        assert list(images.read_many(["sub/2.jpg"])) == [b"two"]
        with pytest.raises(UnreadableFileError, match=r"faces\.zip/img/3\.jpg: cannot be read \(no such file in the archive\)"):
            list(images.read_many(["3.jpg"]))
    assert list(open_images(f"zip://none::{path}").list()) == []
    assert as_path(f"zip://img::{path}") == f"zip://img::{path}"


def test_a_chain_of_archives_is_fsspecs(tmp_path):
    write(tmp_path / "outer.zip", {"in/faces.zip": write(tmp_path / "faces.zip").read_bytes()})
    images = open_images(f"zip://img::zip://in/faces.zip::{tmp_path}/outer.zip")
    assert {info.name for info in images.list()} == {"1.jpg", "sub/2.jpg"}


def test_an_archive_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"zip://img::.*none\.zip: there is no ZIP archive .*none\.zip"):
        open_images(f"zip://img::{tmp_path}/none.zip")
    with pytest.raises(DataError, match=r"other\.bin: is a 7z archive"):
        (tmp_path / "other.bin").write_bytes(b"7z\xbc\xaf\x27\x1c")
        open_images(f"zip://img::{tmp_path}/other.bin")


def test_another_content_is_another_version(tmp_path):
    def versions() -> dict[str, str]:
        return {info.name: info.version for info in open_images(str(tmp_path / "faces.zip")).list()}

    write(tmp_path / "faces.zip")
    before = versions()
    write(tmp_path / "faces.zip", CONTENTS | {"3.jpg": b"x"})
    after = versions()
    assert [name for name in CONTENTS if before[name] != after[name]] == ["3.jpg"]
    assert read(tmp_path / "faces.zip", "3.jpg") == [b"x"]


def test_names_in_utf_8_of_programs_that_do_not_say_so(tmp_path):
    path = write(tmp_path / "faces.zip", {"Zoë.jpg": b"x", "plain.jpg": b"y"})
    # The flag that says that a name is UTF-8, in both headers.
    path.write_bytes(path.read_bytes().replace(struct.pack("<H", 0x800) + b"\x08\0", struct.pack("<H", 0) + b"\x08\0"))
    assert {info.name for info in open_images(str(path)).list()} == {"Zoë.jpg", "plain.jpg"}
    assert read(path, "Zoë.jpg") == [b"x"]


def test_names_that_lead_out_are_only_names(tmp_path):
    names = {"../evil.jpg": b"x", "/etc/evil.jpg": b"y", "C:\\evil.jpg": b"z"}
    path = write(tmp_path / "in" / "faces.zip" if (tmp_path / "in").mkdir() is None else tmp_path, names)
    for info in open_images(str(path)).list():
        assert read(path, info.name)[0] in names.values()
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]


def damaged(change) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in CONTENTS.items():
            archive.writestr(name, content)
    return change(buffer.getvalue())


def in_end(data: bytes, at: int, form: str, value: int) -> bytes:
    """Overwrite a field of the archive's last record."""
    start = data.rindex(b"PK\5\6") + at
    return data[:start] + struct.pack(form, value) + data[start + struct.calcsize(form) :]


def in_directory(data: bytes, at: int, form: str, value: int) -> bytes:
    """Overwrite a field of the first file's entry in the directory at the archive's end."""
    start = data.index(b"PK\1\2") + at
    return data[:start] + struct.pack(form, value) + data[start + struct.calcsize(form) :]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (damaged(lambda data: data[: len(data) // 2]), "its end is missing"),
        (damaged(lambda data: data[:-5]), "its end is missing"),
        (damaged(lambda data: data[:-22]), "its end is missing"),
        (damaged(lambda data: data.replace(b"PK\1\2", b"PK\1\3", 1)), "Bad magic number for central directory"),
        (damaged(lambda data: in_end(data, 12, "<I", 60)), ".*"),
        (damaged(lambda data: in_end(in_end(data, 8, "<H", 4), 10, "<H", 4)), "its directory holds 3 files of 4"),
        (damaged(lambda data: in_directory(data, 30, "<H", 9)), ".*"),
        (b"PK\3\4", "its end is missing"),
        (b"PK\3\4" + bytes(1000), "its end is missing"),
        (b"no archive at all", "its end is missing"),
    ],
    ids=["half", "cut", "no-directory", "entry", "directory-size", "count", "extra", "start-only", "zeros", "text"],
)
def test_what_is_no_whole_archive(tmp_path, data, why):
    (tmp_path / "faces.zip").write_bytes(data)
    with pytest.raises(DataError, match=rf"faces\.zip: is no whole ZIP archive \({why}\); download or copy it again"):
        list(open_images(str(tmp_path / "faces.zip")).list())


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("faces.zip.001", damaged(lambda data: data[:60]), r"is one part of a ZIP archive; join all of them \(cat FILE\.\* > WHOLE\.zip\)"),
        ("faces.zip", damaged(lambda data: in_end(data, 4, "<H", 2)), r"is the last of 3 parts of a ZIP archive; join them \(zip -s 0 "),
        (
            "faces.zip",
            damaged(lambda data: in_directory(data, 6, "<H", 90)),
            r"cannot be unpacked here \(zip file version 9\.0\); unpack the",
        ),
        ("faces.zip", b"Rar!\x1a\7\1\0" + bytes(99), r"is a RAR archive; unpack it \(unrar x FILE\), and name the folder"),
        (
            "faces.zip",
            b"\n<!DOCTYPE html><title>Quota exceeded</title>",
            r"is an HTML page \(a failed download\?\); download it again",
        ),
        ("faces.zip", b"", r"is empty; download or copy it again"),
        ("faces.zip", damaged(lambda _: b"PK\5\6" + bytes(18)), r"is a ZIP archive without files; download or copy it again"),
    ],
    ids=["cut-in-pieces", "split", "version", "other-archive", "web-page", "empty", "no-files"],
)
def test_what_is_no_archive_to_read(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=rf"{name}: {message}"):
        list(open_images(str(tmp_path / name)).list())


def test_a_name_that_says_it_is_utf_8_and_is_not(tmp_path):
    path = write(tmp_path / "faces.zip", {"Zoë.jpg": b"x"})
    path.write_bytes(path.read_bytes().replace("ë".encode(), b"\xff\xff"))
    with pytest.raises(DataError, match=r"faces\.zip: holds a name that is not UTF-8 and says that it is; unpack the archive"):
        list(open_images(str(path)).list())


def test_a_name_longer_than_any_file_s(tmp_path):
    path = write(tmp_path / "faces.zip", {f"{'a' * 5000}.jpg": b"x"})
    with pytest.raises(DataError, match=r"faces\.zip: holds a name of 5004 bytes, more than 4096"):
        list(open_images(str(path)).list())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: in_directory(data, 16, "<I", 1), r"is damaged in the archive \(its CRC-32 is not .*\); download or copy it again"),
        (lambda data: in_directory(data, 8, "<H", 1), r"is encrypted; unpack the archive, and pack the folder"),
        (lambda data: in_directory(data, 8, "<H", 0x20), r"cannot be unpacked here \(a patch\); unpack the archive"),
        (lambda data: in_directory(data, 10, "<H", 9), r"cannot be unpacked here \(compression method 9\); unpack the archive"),
        (lambda data: in_directory(data, 10, "<H", 99), r"cannot be unpacked here \(compression method 99\); unpack the archive"),
        (lambda data: in_directory(data, 10, "<H", 0), r"is damaged in the archive \(it declares 1500 bytes and holds"),
        (lambda data: in_directory(data, 20, "<I", 5), r"is damaged in the archive \(it declares 1500 bytes and holds \d+\)"),
        (lambda data: in_directory(data, 20, "<I", 500), r"is damaged in the archive \(it overlaps what lies behind it\)"),
        (lambda data: in_directory(data, 24, "<I", 700), r"is damaged in the archive \(it declares 700 bytes and holds more\)"),
        (lambda data: in_directory(data, 24, "<I", 7000), r"is damaged in the archive \(it declares 7000 bytes and holds 1500\)"),
        (lambda data: in_directory(data, 24, "<I", MAX_BYTES + 1), rf"has {MAX_BYTES + 1} bytes, more than {MAX_BYTES}; shrink it"),
        (lambda data: in_directory(data, 42, "<I", 2), r"is damaged in the archive \(its header is not where the directory says\)"),
        (lambda data: in_directory(data, 42, "<I", 10**9), r"is damaged in the archive \(it overlaps"),
        (lambda data: in_directory(data, 38, "<I", 0o120777 << 16), r"is a symbolic link in the archive; unpack the archive"),
        (lambda data: data[:26] + b"\xff\xff" + data[28:], r"is damaged in the archive \(it is cut off\)"),
    ],
    ids=(
        "checksum encrypted patch deflate64 AES stored packed-shorter packed-longer shorter longer too-large place beyond link name-length"
    ).split(),
)
def test_a_file_that_cannot_be_had_is_named_and_its_neighbours_are_read(tmp_path, change, message):
    path = tmp_path / "faces.zip"
    path.write_bytes(damaged(change))
    with pytest.raises(UnreadableFileError, match=rf"faces\.zip/img/1\.jpg: {message}"):
        read(path, "img/1.jpg")
    found = open_images(str(path)).read_many(["img/sub/2.jpg", "img/1.jpg", "3.jpg"])
    assert next(found) == b"two"
    with pytest.raises(UnreadableFileError, match=r"img/1\.jpg"):
        next(found)
    assert read(path, "img/sub/2.jpg") == [b"two"]


def test_a_file_that_is_not_there(tmp_path):
    path = write(tmp_path / "faces.zip")
    with pytest.raises(UnreadableFileError, match=r"faces\.zip/4\.jpg: cannot be read \(no such file in the archive\)"):
        read(path, "4.jpg")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_name_that_stands_there_twice(tmp_path):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("1.jpg", b"one")
        archive.writestr("1.jpg", b"other")
    with pytest.raises(DataError, match=r"faces\.zip: holds '1.jpg' twice; unpack the archive"):
        list(open_images(str(tmp_path / "faces.zip")).list())


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_is_not_inflated_whatever_size_it_declares(tmp_path, method):
    honest = write(tmp_path / "honest.zip", {"bomb.jpg": bytes(MAX_BYTES + 1)}, method)
    (tmp_path / "liar.zip").write_bytes(in_directory(honest.read_bytes(), 24, "<I", 1000))
    assert [info.size for info in open_images(str(honest)).list()] == [MAX_BYTES + 1]
    list(open_images(str(tmp_path / "liar.zip")).list())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    with pytest.raises(UnreadableFileError, match=rf"honest\.zip/bomb\.jpg: has {MAX_BYTES + 1} bytes, more than {MAX_BYTES}"):
        read(honest, "bomb.jpg")
    with pytest.raises(UnreadableFileError, match=r"liar\.zip/bomb\.jpg: is damaged .*it declares 1000 bytes and holds more"):
        read(tmp_path / "liar.zip", "bomb.jpg")
    # Milliseconds; a busy machine is forgiven.
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 2**10


def test_files_that_share_their_bytes(tmp_path):
    path = write(tmp_path / "faces.zip", {f"{number}.jpg": b"x" * 100 for number in range(9)}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    for _ in range(8):
        at = data.index(b"PK\1\2", at + 1)
        # All of them begin where the first does.
        struct.pack_into("<I", data, at + 42, 0)
    path.write_bytes(data)
    assert read(path, "8.jpg") == [b"x" * 100]
    for number in range(8):
        with pytest.raises(UnreadableFileError, match="it overlaps what lies behind it"):
            read(path, f"{number}.jpg")


def test_the_directory_is_read_once_and_again_when_the_archive_changes(tmp_path, monkeypatch):
    path, num_read = write(tmp_path / "faces.zip"), []

    def counted(url, archive):
        num_read.append(url)
        return read_directory(url, archive)

    monkeypatch.setattr(zip_folder, "read_directory", counted)
    for _ in range(3):
        list(open_images(str(path)).list())
        assert read(path, "img/sub/2.jpg") == [b"two"]
    assert num_read == [str(path)]
    write(path, CONTENTS | {"img/sub/2.jpg": b"new"})
    assert read(path, "img/sub/2.jpg") == [b"new"]
    assert len(num_read) == 2


def test_a_file_takes_as_little_memory_as_is_said(tmp_path):
    path = write(tmp_path / "faces.zip", {f"img_align_celeba/{number:06d}.jpg": b"" for number in range(5000)}, zipfile.ZIP_STORED)
    with open_archive(str(path)) as archive:
        directory = read_directory(str(path), archive)
    assert directory.members.nbytes + directory.names.nbytes == 5000 * (41 + len("img_align_celeba/000000.jpg"))


def test_what_lies_before_the_archive_and_behind_it(tmp_path):
    path = write(tmp_path / "faces.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK\1\2 as received"
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    assert read(path, *CONTENTS) == list(CONTENTS.values())


def test_dots_before_names_are_left_out(tmp_path):
    path = write(tmp_path / "faces.zip", {"./img/1.jpg": b"x"})
    assert [info.name for info in open_images(str(path)).list()] == ["img/1.jpg"]
    assert read(path, "img/1.jpg") == [b"x"]


@pytest.mark.parametrize("num_flipped", [1, 3])
def test_no_damage_makes_another_error(tmp_path, num_flipped):
    rng, path = random.Random(num_flipped), tmp_path / "faces.zip"
    whole = b"".join(write(path, CONTENTS | {"é.jpg": rng.randbytes(99)}, method).read_bytes() for method in (12, 14, 8))
    for _ in range(700):
        data = bytearray(whole)
        for _ in range(num_flipped):
            data[rng.randrange(len(data) - 500, len(data))] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
        path.write_bytes(data)
        # Rewritten within one tick of the clock: another file.
        zip_folder._directory.cache_clear()
        with suppress(DataError):
            images = open_images(str(path))
            for info in images.list():
                with suppress(UnreadableFileError):
                    assert len(next(images.read_many([info.name]))) == info.size


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"7z\xbc\xaf\x27\x1c", r"is a 7z archive; unpack it \(7z x FILE\), and name the folder"),
        (b"Rar!\x1a\x07\1\0", r"is a RAR archive; unpack it \(.*FILE\), and name the folder"),
        (bytes(257) + b"ustar\x0000", r"is a tar archive; unpack it \(.*FILE\), and name the folder"),
        (b"\x1f\x8b\x08", r"is a gzip-compressed file; unpack it \(.*FILE\), and name the folder"),
        (b"BZh9", r"is a bzip2-compressed file; unpack it \(.*FILE\), and name the folder"),
        (b"\xfd7zXZ\0", r"is an xz-compressed file; unpack it \(.*FILE\), and name the folder"),
        (b"\x28\xb5\x2f\xfd", r"is a zstd-compressed file; unpack it \(.*FILE\), and name the folder"),
        (b"PK\7\x08PK\3\4", r"is a part of a ZIP archive; join its parts \(zip -s 0 FILE\.zip --out WHOLE\.zip\), and name WHOLE\.zip"),
        (b"version https://git-lfs.github.com/spec/v1\n", r"is a Git LFS pointer, not the file itself; run git lfs pull"),
        (b"<html>", r"is an HTML page \(a failed download\?\); download it again"),
        (b"", r"is empty"),
        (b"\xff\xd8", r"is a file, expected a folder of images, a ZIP archive of them, or Parquet"),
    ],
    ids="7z rar tar gzip bzip2 xz zstd zip-part lfs web-page empty jpeg".split(),
)
def test_another_file_is_called_what_it_is(tmp_path, head, message):
    (tmp_path / "faces.001").write_bytes(head)
    with pytest.raises(DataError, match=rf"faces\.001: {message}"):
        open_images(str(tmp_path / "faces.001"))


@pytest.mark.parametrize("url", ["zip://faces.zip", "zip://img::faces.zip", "zip://::file:///faces.zip"])
def test_nothing_is_written_into_an_archive(url):
    with pytest.raises(ConfigurationError, match=rf"{url}: is in an archive, where nothing is written; name a folder"):
        open_folder(url)


def test_a_path_that_may_not_be_looked_at(tmp_path):
    with pytest.raises(DataError, match=r"a: cannot be read \(File name too long\)"):
        open_images(str(tmp_path / ("a" * 300)))


@pytest.fixture(params=["file", "memory", "s3"])
def remote(request, tmp_path) -> str:
    """A URL of each kind without a file behind it."""
    return request.getfixturevalue("s3_folder") if request.param == "s3" else f"{request.param}://{tmp_path}/set"


def test_an_archive_at_a_url(remote, tmp_path):
    path = write(tmp_path / "local.zip")
    with open_folder(remote).create("faces.zip") as file:
        file.write(path.read_bytes())
    images = open_images(f"{remote}/faces.zip")
    assert isinstance(images, ZipFolder)
    assert {(info.name, info.size, info.version) for info in images.list()} == {
        (info.name, info.size, info.version) for info in open_images(str(path)).list()
    }
    assert list(images.read_many(list(CONTENTS))) == list(CONTENTS.values())
    with pytest.raises(UnreadableFileError, match=r"faces\.zip/4\.jpg: cannot be read \(no such file in the archive\)"):
        list(images.read_many(["4.jpg"]))
    with open_folder(remote).create("faces.zip") as file:
        file.write(write(path, CONTENTS | {"3.jpg": b"new"}).read_bytes())
    assert list(images.read_many(["3.jpg"])) == [b"new"]
    with open_folder(remote).create("faces.zip") as file:
        file.write(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"faces\.zip: is no whole ZIP archive \(its end is missing\)"):
        list(images.list())
    open_folder(remote).remove("faces.zip")
    with pytest.raises(DataError, match=r"faces\.zip: there is no such file"):
        list(images.list())


def test_a_folder_at_a_url_may_be_called_like_an_archive(remote):
    with open_folder(f"{remote}/faces.zip").create("1.jpg") as file:
        file.write(b"x")
    assert [info.name for info in open_images(f"{remote}/faces.zip").list()] == ["1.jpg"]
    assert list(open_images(f"{remote}/none.zip").list()) == []


def test_the_images_of_an_archive_on_s3_are_asked_for_at_once(s3_folder, s3_server, tmp_path):
    with open_folder(s3_folder).create("counted.zip") as file:
        file.write(write(tmp_path / "faces.zip").read_bytes())
    images = open_images(f"{s3_folder}/counted.zip")
    list(images.list())
    before = len(s3_server.requests(path="counted.zip"))
    assert list(images.read_many(list(CONTENTS))) == list(CONTENTS.values())
    # One for the archive's version, and one for each image.
    assert len(s3_server.requests(path="counted.zip")) == before + 1 + len(CONTENTS)
