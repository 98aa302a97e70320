"""Signals that ask to stop."""

import os
import signal
import subprocess
import sys

import pytest

from shards.signals import handled, interrupt_on_stop, stop_signals

ALL = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP}


@pytest.fixture(autouse=True)
def _as_before():
    before = {number: signal.getsignal(number) for number in ALL}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_hanging_up_is_one_of_them_unless_it_is_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert set(stop_signals()) == ALL
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert set(stop_signals()) == ALL - {signal.SIGHUP}
    with handled(lambda *_: None):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize("number", sorted(ALL))
def test_each_reaches_the_handler_and_the_old_one_comes_back(number):
    seen = []
    signal.signal(number, signal.SIG_DFL)
    with handled(lambda which, _: seen.append(which)):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
    assert seen == [number] * 2
    assert signal.getsignal(number) is signal.SIG_DFL


def test_the_first_interrupts_and_the_others_do_nothing():
    interrupt_on_stop()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGUSR1)
    for number in ALL:
        os.kill(os.getpid(), number)


# As a library does that tidies up at the end.
ENDING = """
import atexit, os, signal, sys
from shards.command import with_exit_code
from shards.errors import DataError
def tidy():
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
    print("tidy", flush=True)
atexit.register(tidy)
def command():
    if sys.argv[1:]:
        raise DataError(sys.argv[1])
with_exit_code(command, debug=False)
"""


@pytest.mark.parametrize(("words", "code", "err"), [([], 0, ""), (["it broke"], 3, "error: it broke\n")])
def test_a_signal_at_the_very_end_neither_cuts_it_short_nor_changes_the_code(words, code, err):
    found = subprocess.run([sys.executable, "-c", ENDING, *words], capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (code, "tidy\n", err)
