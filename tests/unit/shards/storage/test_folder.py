"""Folders here and at a URL: one set of tests for all of them, and what only the network can do wrong."""

import errno
import os
import socket
import sys
import threading
import time
from pathlib import Path

import fsspec
import pytest

from shards.errors import ConfigurationError, DataError
from shards.storage import attempts, url_folder
from shards.storage.folder import is_url
from shards.storage.local_folder import LocalFolder
from shards.storage.opening import open_folder
from shards.storage.url_folder import UrlFolder

KINDS = ("local", "file", "memory", "s3")
NAMES = (
    "a.jpg",
    "with blank.jpg",
    "Jörg 日本.jpg",
    "a#b.jpg",
    "a?b.jpg",
    "a[1].jpg",
    "a*.jpg",
    "a%20b.jpg",
    "a+b&c.jpg",
    "-a",
    "~a",
    "a'b\"c",
    "sub/folder/x.jpg",
    ".hidden",
    "k" * 180,
)


@pytest.fixture(params=KINDS)
def folder(request, tmp_path):
    """An empty folder of each kind."""
    if request.param == "local":
        return LocalFolder(str(tmp_path / "folder"))
    if request.param == "file":
        return UrlFolder(f"file://{tmp_path}/folder")
    if request.param == "memory":
        return UrlFolder(f"memory://{tmp_path}/folder")
    return UrlFolder(request.getfixturevalue("s3_folder"))


def write(folder, name: str, content: bytes) -> None:
    with folder.create(name) as file:
        file.write(content)


def sizes(folder) -> dict[str, int]:
    return {info.name: info.size for info in folder.list()}


def test_every_name_is_listed_read_fetched_and_removed(folder):
    for name in NAMES:
        write(folder, name, name.encode() * 3)
    assert sizes(folder) == {name: 3 * len(name.encode()) for name in NAMES}
    assert list(folder.read_many(NAMES[::-1])) == [name.encode() * 3 for name in NAMES[::-1]]
    for name in NAMES:
        with folder.fetch(name) as path:
            assert path.read_bytes() == name.encode() * 3
    for name in NAMES:
        folder.remove(name)
        folder.remove(name)
    assert sizes(folder) == {}


def test_a_name_with_wildcards_means_itself(folder):
    for name in ("a*", "ab", "a?", "a[bc]"):
        write(folder, name, name.encode())
    folder.remove("a*")
    assert list(folder.read_many(["a[bc]", "a?"])) == [b"a[bc]", b"a?"]
    assert sizes(folder) == {"ab": 2, "a?": 2, "a[bc]": 5}


def test_an_absent_folder_is_empty_and_a_neighbour_is_not_in_it(folder):
    assert list(folder.list()) == []
    write(open_folder(f"{folder.url}-2"), "x", b"x")
    assert list(folder.list()) == []


def test_an_empty_file_and_a_large_one(folder):
    large = os.urandom(1 << 20) * 9
    write(folder, "empty", b"")
    write(folder, "large", large)
    assert list(folder.read_many(["empty", "large"])) == [b"", large]
    with folder.fetch("empty") as path:
        assert path.read_bytes() == b""
    if isinstance(folder, UrlFolder):
        assert b"".join(folder.stream("large")) == large
        assert b"".join(folder.stream("empty")) == b""


def test_what_is_written_again_is_replaced_and_has_another_version(folder):
    versions = set()
    for content in (b"one", b"two!", b"six"):
        write(folder, "x", content)
        (info,) = folder.list()
        assert (info.size, *folder.read_many(["x"])) == (len(content), content)
        versions.add(info.version)
    assert len(versions) == 3
    assert "" not in versions


def test_the_listing_sees_what_others_write(folder):
    write(folder, "one", b"1")
    assert sizes(folder) == {"one": 1}
    write(open_folder(folder.url), "two", b"2")
    open_folder(folder.url).remove("one")
    assert sizes(folder) == {"two": 1}


def test_nothing_appears_before_the_end_of_the_block_or_after_a_failed_one(folder):
    with folder.create("x") as file:
        file.write(b"half")
        assert "x" not in sizes(folder)
    write(folder, "kept", b"old")
    with pytest.raises(RuntimeError, match="stop"), folder.create("kept") as file:
        file.write(b"new")
        raise RuntimeError("stop")
    assert sizes(folder) == {"x": 4, "kept": 3}
    assert list(folder.read_many(["kept"])) == [b"old"]


def test_a_full_disk_is_named_and_leaves_nothing(folder):
    with pytest.raises(DataError, match=r"x: cannot be written.*No space left on device"), folder.create("x") as file:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert sizes(folder) == {}


def test_a_missing_file_is_named(folder):
    write(folder, "here", b"")
    with pytest.raises(DataError, match=rf"{folder.url}/gone\.jpg: cannot be read"):
        list(folder.read_many(["here", "gone.jpg"]))
    with pytest.raises(DataError, match=rf"{folder.url}/gone\.jpg: "), folder.fetch("gone.jpg"):
        pytest.fail("there is nothing to fetch")
    with pytest.raises(DataError), folder.fetch(""):
        pytest.fail("a folder is no file")


def test_scratch_is_empty_and_goes(folder):
    write(folder, "x", b"")
    with folder.scratch() as path:
        assert list(path.iterdir()) == []
        (path / "file").write_bytes(b"x")
    assert not path.exists()
    folder.settle()


# A folder of this machine has no need of it: it is locked by its kernel.
@pytest.mark.parametrize("folder", [kind for kind in KINDS if kind != "local"], indirect=True)
def test_an_object_is_created_only_once(folder):
    write(folder, "x", b"")
    assert folder.read_if_there("lock") is None
    assert folder.write("lock", b"1", exclusive=True)
    assert not folder.write("lock", b"2", exclusive=True)
    assert folder.read_if_there("lock") == b"1"
    assert folder.write("lock", b"3")
    assert folder.read_if_there("lock") == b"3"


def test_urls_and_paths():
    assert is_url("s3://bucket")
    assert not is_url("a:/b")
    assert isinstance(open_folder("memory://x"), UrlFolder)
    assert isinstance(open_folder("x"), LocalFolder)


def test_an_unknown_protocol_and_a_missing_package_are_refused(monkeypatch):
    with pytest.raises(ConfigurationError, match=r"ftpx://a: is no URL that fsspec knows"):
        open_folder("ftpx://a")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(ConfigurationError, match=r"gs://a/b: needs gcsfs; pip install gcsfs"):
        open_folder("gs://a/b")


def test_a_local_listing_follows_links_and_leaves_out_those_that_lead_nowhere(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.jpg").write_bytes(b"x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.jpg").write_bytes(b"a")
    (root / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "nowhere.jpg").symlink_to("gone")
    assert sizes(LocalFolder(str(root))) == {"a.jpg": 1, "link/x.jpg": 1}
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(DataError, match="link/loop: this link leads back to a folder it lies in; remove it"):
        list(LocalFolder(str(root)).list())


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file: cannot be read as a folder \(Not a directory\)"):
        list(LocalFolder(str(tmp_path / "file")).list())
    with pytest.raises(DataError, match=r"file/x: cannot be written \(File exists\)"):
        LocalFolder(str(tmp_path / "file")).create("x")


def test_s3_lists_more_than_a_page_and_no_folder_markers(s3_folder):
    folder = UrlFolder(s3_folder)
    for number in range(5):
        write(folder, f"{number}", b"")
    call, pages = folder._fs.call_s3, []

    def small_pages(method, **arguments):
        pages.append(method)
        return call(method, MaxKeys=2, **arguments)

    folder._fs.call_s3 = small_pages
    try:
        call("put_object", Bucket="dropstream", Key=f"{s3_folder.partition('dropstream/')[2]}/", Body=b"")
        call("put_object", Bucket="dropstream", Key=f"{s3_folder.partition('dropstream/')[2]}/sub/", Body=b"")
        assert sizes(folder) == {f"{number}": 0 for number in range(5)}
    finally:
        # fsspec keeps one object for all folders of a store.
        del folder._fs.call_s3
    assert len(pages) == 4


def test_a_small_file_on_s3_is_read_by_one_request(s3_folder, s3_server):
    folder = UrlFolder(s3_folder)
    write(folder, "counted", b"x")
    before = len(s3_server.requests(path="counted"))
    assert list(folder.read_many(["counted"])) == [b"x"]
    assert len(s3_server.requests(path="counted")) == before + 1


def test_a_missing_bucket_is_named(s3):
    folder = UrlFolder(f"{s3}-of-nobody/set")
    with pytest.raises(DataError, match=r"s3://dropstream-of-nobody/set: cannot be listed .*bucket does not exist\); check the name"):
        list(folder.list())
    with pytest.raises(DataError, match=r"s3://dropstream-of-nobody/set/x: cannot be written .*bucket does not exist"):
        write(folder, "x", b"x")
    with pytest.raises(DataError, match=r"s3://dropstream-of-nobody/set/x: cannot be read"):
        list(folder.read_many(["x"]))


def test_wrong_credentials_are_named(s3_folder, s3_server):
    folder = UrlFolder(s3_folder)
    write(folder, "x", b"x")
    s3_server.require_known_keys(True)
    try:
        for action in (lambda: list(folder.list()), lambda: list(folder.read_many(["x"])), lambda: write(folder, "y", b"")):
            with pytest.raises(DataError, match=r"PermissionError: .*; check the credentials and their rights") as raised:
                action()
            assert "\n" not in str(raised.value)
    finally:
        s3_server.require_known_keys(False)


@pytest.fixture
def endpoint(s3_server, monkeypatch):
    """Send what follows to another port."""
    forget = fsspec.get_filesystem_class("s3").clear_instance_cache

    def use(port: int) -> None:
        assert port != s3_server.port
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        forget()

    yield use
    forget()


def test_a_server_that_is_not_there_is_named_soon(endpoint, monkeypatch):
    monkeypatch.setattr(attempts, "_NUM_TRIES", 1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint(unused.getsockname()[1])
        folder = UrlFolder("s3://bucket/set")
        started = time.monotonic()
        with pytest.raises(DataError, match=r"s3://bucket/set/x: cannot be read .*EndpointConnectionError.*check the network"):
            list(folder.read_many(["x"]))
    assert time.monotonic() - started < 40


def test_a_server_that_never_answers_is_given_up(endpoint, monkeypatch):
    """With a tenth of the real times, which are the options' own."""
    options = url_folder._S3_OPTIONS["config_kwargs"]
    assert url_folder._UPLOAD_SECONDS + attempts._PATIENCE_SECONDS < 60
    assert options["read_timeout"] * options["retries"]["total_max_attempts"] + attempts._PATIENCE_SECONDS < 60
    quick = {"config_kwargs": options | {"connect_timeout": 0.5, "read_timeout": 1.0}, "max_concurrency": 1}
    monkeypatch.setattr(url_folder, "_S3_OPTIONS", quick)
    monkeypatch.setattr(attempts, "_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(url_folder, "_UPLOAD_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint(silent.getsockname()[1])
        started = time.monotonic()
        with pytest.raises(DataError, match=r"s3://bucket/set/x: cannot be written .*FSTimeoutError.*check the network"):
            write(UrlFolder("s3://bucket/set"), "x", b"x")
        with pytest.raises(DataError, match=r"s3://bucket/set/x: cannot be written .*FSTimeoutError.*check the network"):
            UrlFolder("s3://bucket/set").write("x", b"x", exclusive=True)
        with pytest.raises(DataError, match=r"s3://bucket/set: cannot be listed .*ReadTimeoutError.*check the network"):
            list(UrlFolder("s3://bucket/set").list())
    assert time.monotonic() - started < 20


def test_a_connection_that_breaks_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(attempts, "_PAUSE_SECONDS", 0.0)
    folder = UrlFolder(f"memory://{tmp_path}")
    write(folder, "x", b"x")
    num_failures = [2]

    def failing(original):
        def read(*arguments, **settings):
            if num_failures[0]:
                num_failures[0] -= 1
                raise ConnectionResetError("cut")
            return original(*arguments, **settings)

        return read

    monkeypatch.setattr(folder._fs, "cat_file", failing(folder._fs.cat_file))
    assert list(folder.read_many(["x"])) == [b"x"]
    num_failures[0] = 3
    with pytest.raises(DataError, match=r"x: cannot be read \(ConnectionResetError: cut\)"):
        list(folder.read_many(["x"]))


def test_an_interrupted_upload_by_rename_leaves_no_temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(attempts, "_PAUSE_SECONDS", 0.0)
    folder = UrlFolder(f"file://{tmp_path}/set")
    monkeypatch.setattr(folder._fs, "mv", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(DataError, match="x: cannot be written"):
        write(folder, "x", b"x")
    assert [path for path in Path(tmp_path).rglob("*") if path.is_file()] == []


def test_a_folder_is_used_by_several_threads(folder):
    write(folder, "x", b"x" * 1000)
    results = []
    threads = [threading.Thread(target=lambda: results.append(len(list(folder.list())))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 4
