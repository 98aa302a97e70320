"""A ZIP archive read as a folder, whatever is wrong with it."""

import io
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from shards.errors import DataError
from shards.image.header import MAX_BYTES
from shards.storage.folder import UnreadableFileError
from shards.storage.opening import as_path, open_images
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


def test_fsspecs_own_way_stays(tmp_path):
    path = write(tmp_path / "faces.zip")
    for url in (f"zip://img::{path}", f"zip://img::file://{path}"):
        assert {info.name for info in open_images(url).list()} == {"1.jpg", "sub/2.jpg"}
    assert as_path(f"zip://img::{path}") == f"zip://img::{path}"


def test_an_archive_at_a_url(tmp_path):
    path = write(tmp_path / "faces.zip")
    images = open_images(f"file://{path}")
    assert {info.name: info.size for info in images.list()} == {name: len(content) for name, content in CONTENTS.items()}
    assert list(images.read_many(["img/1.jpg"])) == [CONTENTS["img/1.jpg"]]


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


def in_directory(data: bytes, at: int, form: str, value: int) -> bytes:
    """Overwrite a field of the first file's entry in the directory at the archive's end."""
    start = data.index(b"PK\1\2") + at
    return data[:start] + struct.pack(form, value) + data[start + struct.calcsize(form) :]


@pytest.mark.parametrize(
    "data",
    [
        damaged(lambda data: data[: len(data) // 2]),
        damaged(lambda data: data[:-5]),
        damaged(lambda data: data[:-22]),
        damaged(lambda data: data.replace(b"PK\1\2", b"PK\1\3", 1)),
        b"PK\3\4",
        b"PK\3\4" + bytes(1000),
    ],
    ids=["half", "cut", "no-directory", "entry", "start-only", "zeros"],
)
def test_what_is_no_whole_archive(tmp_path, data):
    (tmp_path / "faces.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"faces\.zip: is no whole ZIP archive \(.*\); download or copy it again"):
        list(open_images(str(tmp_path / "faces.zip")).list())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: in_directory(data, 16, "<I", 1), r"is damaged in the archive \(Bad CRC-32.*\); download or copy it again"),
        (lambda data: in_directory(data, 8, "<H", 1), r"is encrypted; unpack the archive, and pack the folder"),
        (lambda data: in_directory(data, 10, "<H", 9), r"cannot be unpacked here \(compression method 9\); unpack the archive"),
        (lambda data: in_directory(data, 10, "<H", 99), r"cannot be unpacked here \(.*\); unpack the archive"),
        (lambda data: in_directory(data, 24, "<I", 700), r"is damaged in the archive \(Bad CRC-32"),
        (lambda data: in_directory(data, 24, "<I", 7000), r"is damaged in the archive"),
        (lambda data: in_directory(data, 42, "<I", 60), r"is damaged in the archive \(Bad magic number"),
        (lambda data: data.replace(b"img/1", b"img/9", 1), r"is damaged in the archive \(File name in directory"),
    ],
    ids=["checksum", "encrypted", "deflate64", "AES", "shorter", "longer", "place", "name"],
)
def test_a_file_that_cannot_be_had_is_named_and_its_neighbours_are_read(tmp_path, change, message):
    path = tmp_path / "faces.zip"
    path.write_bytes(damaged(change))
    with pytest.raises(UnreadableFileError, match=rf"faces\.zip/img/1\.jpg: {message}"):
        read(path, "img/1.jpg")
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


def test_a_bomb_is_listed_with_its_size_and_one_that_lies_gives_no_more_than_it_says(tmp_path):
    honest = write(tmp_path / "honest.zip", {"bomb.jpg": bytes(MAX_BYTES + 1)})
    data = in_directory(honest.read_bytes(), 24, "<I", 1000)
    (tmp_path / "liar.zip").write_bytes(data)
    start = time.perf_counter()
    assert [info.size for info in open_images(str(honest)).list()] == [MAX_BYTES + 1]
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFileError, match="is damaged in the archive"):
            read(tmp_path / "liar.zip", "bomb.jpg")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"7z\xbc\xaf\x27\x1c", "7z archive"),
        (b"Rar!\x1a\x07\1\0", "RAR archive"),
        (bytes(257) + b"ustar\x0000", "tar archive"),
        (b"\x1f\x8b\x08", "gzip-compressed file"),
        (b"BZh9", "bzip2-compressed file"),
        (b"\xfd7zXZ\0", "xz-compressed file"),
        (b"\x28\xb5\x2f\xfd", "zstd-compressed file"),
        (b"PK\7\x08PK\3\4", "part of a ZIP archive"),
    ],
)
def test_another_archive_is_called_what_it_is(tmp_path, head, name):
    (tmp_path / "faces.001").write_bytes(head)
    with pytest.raises(DataError, match=rf"faces\.001: is a {name} \(.*FILE.*\); unpack it, and name the folder"):
        open_images(str(tmp_path / "faces.001"))


def test_another_file_is_no_folder(tmp_path):
    (tmp_path / "faces.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(
        DataError, match=r"faces\.jpg: is a file, expected a folder of images, a ZIP archive of them, or Parquet that holds them"
    ):
        open_images(str(tmp_path / "faces.jpg"))
