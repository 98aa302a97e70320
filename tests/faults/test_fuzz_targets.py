"""The fuzzer's targets without the fuzzer: seeds and some hundred mutations, the same in every run; and that planted bugs are found."""

import subprocess
import sys

import pytest

from tests.fuzz.guard import ROOT
from tests.fuzz.rehearsal import in_child
from tests.fuzz.targets import MODULES, names

_SECONDS = 120


@pytest.mark.parametrize("module", MODULES)
def test_readers_of_outside_input_raise_nothing_but_what_they_document(module, tmp_path):
    is_sound, output = in_child(names(module), tmp_path, seconds=_SECONDS)
    assert is_sound, output
    assert output.count(": begins") == len(names(module))


@pytest.mark.parametrize(
    ("canary", "told"),
    [
        ("raises", "canary.raises: KeyError at tests/fuzz/canary.py:"),
        ("hangs", "canary.hangs: TookTooLongError at tests/fuzz/guard.py:"),
        ("grows", "canary.grows: MemoryError at tests/fuzz/canary.py:"),
        ("dies", "canary.dies: SIGABRT"),
        ("refuses", "canary.refuses: all seeds are refused"),
    ],
)
def test_a_planted_bug_is_found_and_can_be_read_again(canary, told, tmp_path):
    is_sound, output = in_child([f"canary.{canary}"], tmp_path, seconds=_SECONDS)
    assert not is_sound
    assert told in output
    (command,) = [line.removeprefix("reproduce: ") for line in output.splitlines() if line.startswith("reproduce: ")]
    assert command == f"python -m tests.fuzz reproduce canary.{canary} {tmp_path / f'canary.{canary}.input'}"
    if canary == "raises":
        again = subprocess.run([sys.executable, *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        assert again.returncode == 1
        assert told in again.stdout


def test_a_sound_reader_passes(tmp_path):
    assert in_child(["canary.sound"], tmp_path, seconds=_SECONDS) == (True, "canary.sound: begins\n")


def test_under_the_fuzzer_planted_bugs_are_told_in_a_table(tmp_path):
    pytest.importorskip("atheris")
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        "canary.raises",
        "canary.dies",
        "canary.sound",
        "--minutes",
        "0.1",
        "--folder",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "canary.raises: KeyError at tests/fuzz/canary.py:" in done.stdout
    assert "canary.dies: ends the process" in done.stdout
    assert "canary.sound: nothing found" in done.stdout
    assert "seed " in done.stdout
    assert list((tmp_path / "corpus" / "canary.raises").glob("seed-*"))
