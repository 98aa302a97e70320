"""The strict reader: what it accepts, what it refuses and why, where it goes on."""

import io
import mmap
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.check.tar_walk import Defect, Member, walk
from shards.image.header import ImageHeader
from shards.tar import BLOCK, RECORD, ShardFile, label_bytes, member_header
from tests.damage import member

LABELS = label_bytes(np.array([1, 0, -1], np.int8))


def tar_of(*samples: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    shard = ShardFile(file)
    for key, image in samples:
        shard.add(key, image, LABELS, ImageHeader(suffix="jpg", width=1, height=1))
    shard.finish()
    return file.getvalue()


def with_first(first: bytes) -> bytes:
    """A member, whatever it is, before those of a sound tar."""
    body = first + tar_of(("a", b"x" * 700))[: 4 * BLOCK + BLOCK]
    return body + bytes(2 * BLOCK + -(len(body) + 2 * BLOCK) % RECORD)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z0-9_-]{1,96}", fullmatch=True), st.binary(max_size=1500)), max_size=6))
def test_reads_what_the_packer_writes(samples):
    data = tar_of(*samples)
    found = list(walk(data))
    assert [(m.key, m.suffix) for m in found] == [(key, suffix) for key, _ in samples for suffix in ("jpg", "npy")]
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert [(m.header_at, m.data_at, m.size) for m in found] == [(m.offset, m.offset_data, m.size) for m in tar.getmembers()]
    assert [data[m.data_at : m.data_at + m.size] for m in found[::2]] == [image for _, image in samples]


def test_reads_a_mapped_file(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of(("a", b"x"), ("b", b"y")))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as tar:
        assert list(walk(tar)) == list(walk(path.read_bytes()))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (member("evil", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "the member 'evil' is a symbolic link; only plain files"),
        (member("evil.jpg", type=tarfile.LNKTYPE, linkname="a.jpg"), "the member 'evil.jpg' is a hard link; only plain files"),
        (member("evil", type=tarfile.CHRTYPE), "is a character device"),
        (member("evil", type=tarfile.BLKTYPE), "is a block device"),
        (member("evil", type=tarfile.FIFOTYPE), "is a named pipe"),
        (member("evil", type=tarfile.DIRTYPE), "is a folder"),
        (member("evil", type=tarfile.CONTTYPE), "is a contiguous file"),
        (member("evil", type=tarfile.XHDTYPE), "is a PAX header, which overrides the member behind it"),
        (member("evil", type=tarfile.XGLTYPE), "is a PAX header, which overrides all members behind it"),
        (member("././@LongLink", type=tarfile.GNUTYPE_LONGNAME), "is a GNU extension"),
        (member("evil", type=tarfile.GNUTYPE_SPARSE), "is a GNU extension"),
        (member("evil", type=tarfile.AREGTYPE), "of a tar older than USTAR"),
        (member("evil", type=b"Z"), "of the unknown type 'Z'"),
        (member("../evil.jpg"), "the member '../evil.jpg' has a hostile name, which leads out of the folder"),
        (member("a/../../evil.jpg"), "has a hostile name"),
        (member("/etc/evil.jpg"), "the member '/etc/evil.jpg' has a hostile name"),
        (member("..\\evil.jpg"), "has a hostile name"),
        (member("folder/evil.jpg"), "the extra member 'folder/evil.jpg' is neither KEY.jpg, KEY.png nor KEY.npy"),
        (member("evil.pyd"), "the extra member 'evil.pyd' is neither"),
        (member("pipe:touch evil.jpg"), "the extra member 'pipe:touch evil.jpg' is neither"),
        (member("a.b.jpg"), "the extra member 'a.b.jpg' is neither"),
        (member("\x1b[31m.jpg"), r"the extra member '\x1b[31m.jpg' is neither"),
        (member("k" * 97 + "/" + "k" * 20 + ".jpg"), "the header of"),
        (member("evil.jpg", size=8 * 10**9), "'evil.jpg' claims 8000000000 bytes where 9728 are left"),
        (member("evil.jpg", mode=0o777), "the header of 'evil.jpg' is damaged or foreign: its field 'mode'"),
        (member("evil.jpg", uid=1000), "its field 'owner'"),
        (member("evil.jpg", mtime=1), "its field 'time of modification'"),
        (member("evil.jpg", linkname="x"), "its field 'link target'"),
        (member("evil.jpg", uname="root"), "its field 'owner's name'"),
        (tarfile.TarInfo("evil.jpg").tobuf(tarfile.GNU_FORMAT), "its field 'mode'"),
        (member_header(b"evil.jpg", 0)[:148] + b"000000\0 " + member_header(b"evil.jpg", 0)[156:], "its checksum is wrong"),
        (member_header(b"evil.jpg", 0)[:124] + b"\x80" + bytes(11) + member_header(b"evil.jpg", 0)[136:], "the size of 'evil.jpg' is not"),
        (member_header(b"evil.jpg", 0)[:20] + b"x" + member_header(b"evil.jpg", 0)[21:], "its field 'name'"),
        (b"\xff\xd8\xff" * 100 + bytes(212), "no tar header stands where one should"),
    ],
)
def test_what_the_packer_never_writes_is_named_and_the_walk_goes_on(header, reason):
    defect, *rest = walk(with_first(header))
    assert isinstance(defect, Defect)
    assert reason in defect.what
    assert (defect.at, defect.hides_member) == (0, True)
    assert [m for m in rest if isinstance(m, Member)] == [Member("a", "jpg", BLOCK, 700), Member("a", "npy", 4 * BLOCK, len(LABELS))]
    assert len(rest) == 2


def test_filling_must_be_empty():
    data = bytearray(tar_of(("a", b"x" * 700)))
    data[BLOCK + 700] = 1
    assert [d for d in walk(bytes(data)) if isinstance(d, Defect)] == [Defect(BLOCK + 700, "the filling behind a.jpg is not empty", "a")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data + bytes(RECORD), "the tar ends with 18432 empty bytes instead of 8192"),
        (lambda data: data[:-BLOCK], "the tar ends with 7680 empty bytes instead of 8192"),
        (lambda data: data[: 4 * BLOCK], "ends without the empty blocks that end a tar: it was cut"),
        (lambda data: data[: 4 * BLOCK + 100], "ends without the empty blocks that end a tar: it was cut"),
        (lambda data: data[: 3 * BLOCK], "'a.npy' claims 131 bytes where 0 are left: the tar was cut"),
        (lambda data: data[:-1] + b"x", "the end of the tar is not empty"),
        (lambda data: data + b"hidden".ljust(RECORD, b"\0"), "the end of the tar is not empty"),
        (lambda data: data + data, "an empty block stands where a header should, and members follow"),
        (lambda _: b"", "ends without the empty blocks"),
    ],
)
def test_the_end(change, reason):
    data = tar_of(("a", b"x"))
    assert next(d.what for d in walk(change(data)) if isinstance(d, Defect)).startswith(reason)


def test_an_empty_tar_is_an_end_alone():
    assert list(walk(bytes(RECORD))) == []


@settings(max_examples=200)
@given(st.integers(0, 7 * BLOCK * 8 - 1))
def test_every_flipped_bit_outside_the_data_is_found(bit):
    sound = tar_of(("a", b"x" * 700), ("b", b"y"))
    data = bytearray(sound)
    data[bit // 8] ^= 1 << bit % 8
    inside = any(m.data_at <= bit // 8 < m.data_at + m.size for m in walk(sound))
    assert any(isinstance(d, Defect) for d in walk(bytes(data))) != inside


@settings(max_examples=100)
@given(st.binary(max_size=3000))
def test_any_bytes_end_in_defects_and_not_in_an_exception(data):
    assert any(isinstance(found, Defect) for found in walk(data)) or data == bytes(len(data))
    list(walk(member_header(b"a.jpg", 5) + data))
