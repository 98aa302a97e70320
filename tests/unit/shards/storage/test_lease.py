"""The lease on a folder at a URL: who gets it, who is refused, who loses it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from shards.errors import ConfigurationError, DataError
from shards.storage import lease as lease_module
from shards.storage.lease import lease
from shards.storage.lock import LOCK
from shards.storage.opening import lock
from shards.storage.url_folder import UrlFolder


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """A fifteenth of the real times."""
    monkeypatch.setattr(lease_module, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(lease_module, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(lease_module, "_SETTLE_SECONDS", 0.1)


@pytest.fixture(params=["memory", "s3"])
def url(request, tmp_path):
    return f"memory://{tmp_path}/set" if request.param == "memory" else request.getfixturevalue("s3_folder")


def content(url: str) -> dict | None:
    data = UrlFolder(url).read_if_there(LOCK)
    return None if data is None else json.loads(data)


def token(url: str) -> str:
    return content(url)["token"]


def left_behind(url: str, **fields) -> None:
    """Write what a packer leaves that went without a word."""
    with lease(url):
        there = content(url)
    UrlFolder(url).write(LOCK, json.dumps(there | {"token": "another's"} | fields).encode())


def until(condition) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_it_is_renewed_and_given_back(url):
    with lock(url):
        first = content(url)
        assert (first["pid"], first["beat"]) == (os.getpid(), 0)
        until(lambda: content(url)["beat"] >= 2)
        assert content(url)["token"] == first["token"]
    assert content(url) is None


def test_the_second_is_refused_while_the_first_is_alive(url):
    with lease(url):
        with pytest.raises(ConfigurationError, match=rf"another packing \(process {os.getpid()} on .+\) is at work in it; wait"):
            lease(url).__enter__()
        before = content(url)["beat"]
        until(lambda: content(url)["beat"] > before)
    assert content(url) is None


def test_a_dead_process_of_this_machine_is_not_waited_for(url, monkeypatch):
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    left_behind(url, pid=done.pid)
    monkeypatch.setattr(lease_module, "_watch", lambda *_: pytest.fail("it waited"))
    with lease(url):
        assert content(url)["pid"] == os.getpid()


@pytest.mark.parametrize("fields", [{"pid": 1}, {"place": "elsewhere", "pid": 999_999_999}, {"pid": "none"}, {"pid": 10**30}])
def test_a_silent_owner_is_taken_over_after_three_beats(url, fields):
    left_behind(url, **fields)
    started = time.monotonic()
    with lease(url):
        assert 3 * lease_module.BEAT_SECONDS < time.monotonic() - started < 20
        assert token(url) != "another's"


def test_rubbish_is_taken_over_after_three_beats(url):
    for rubbish in (b"", b"[1]\xff"):
        UrlFolder(url).write(LOCK, rubbish)
        with lease(url):
            assert content(url)["pid"] == os.getpid()


def test_an_owner_that_ends_while_it_is_watched_leaves_the_lease(url, monkeypatch):
    left_behind(url, pid=1)
    # It gives the lease back at the first moment that is waited.
    monkeypatch.setattr(lease_module.time, "sleep", lambda _: UrlFolder(url).remove(LOCK))
    with lease(url):
        assert content(url)["pid"] == os.getpid()


@pytest.mark.parametrize("dead", [False, True], ids=["nothing-there", "a-dead-owner"])
def test_of_many_that_start_at_once_one_begins(url, dead):
    if dead:
        left_behind(url, pid=1)
    barrier, at_work, most = threading.Barrier(4), [], []

    def pack(number: int) -> str:
        barrier.wait()
        try:
            with lease(url):
                at_work.append(number)
                most.append(len(at_work))
                until(lambda: len(refused) == 3)
                at_work.remove(number)
                return "packed"
        except ConfigurationError:
            refused.append(number)
            return "refused"

    refused: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(pack, range(4)))
    assert sorted(outcomes) == ["packed", "refused", "refused", "refused"]
    assert max(most) == 1


def test_who_loses_it_is_stopped_at_the_next_beat(url):
    def stop(_number, _frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(DataError, match=r"process 7 on far took over while this process was silent; let it finish"), lease(url):
            UrlFolder(url).write(LOCK, json.dumps({"host": "far", "pid": 7, "token": "theirs"}).encode())
            threading.Event().wait(30)
            pytest.fail("nobody stopped it")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert token(url) == "theirs"


def test_who_loses_it_hears_at_the_end_where_nothing_can_stop_it(url):
    with pytest.raises(DataError, match="another packing took over"), lease(url):
        UrlFolder(url).remove(LOCK)
        until(lambda: not [thread for thread in threading.enumerate() if thread.name == "lease"])
    assert content(url) is None


def test_the_lease_goes_with_an_error(url):
    with pytest.raises(KeyboardInterrupt), lease(url):
        raise KeyboardInterrupt
    assert content(url) is None


def test_the_decision_is_bounded():
    """With the real times: a watch and the moment after taking over."""
    assert 3.0 * lease_module._BEATS_OF_SILENCE + 1.5 < 20


def test_who_lost_it_after_the_last_beat_hears_at_the_end(url, monkeypatch):
    monkeypatch.setattr(lease_module, "BEAT_SECONDS", 3600.0)
    with pytest.raises(DataError, match="process 7 on far took over"), lease(url):
        UrlFolder(url).write(LOCK, json.dumps({"host": "far", "pid": 7, "token": "theirs"}).encode())
    assert token(url) == "theirs"
