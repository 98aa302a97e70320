"""What all commands share: one line per error and the documented exit codes."""

import dataclasses
import os
import signal
import subprocess
import sys

import pytest
import tyro

from shards.command import one_line, run, unknown_option, with_exit_code
from shards.errors import CheckpointError, ConfigurationError, DataError, DropstreamError, Interrupted, did_you_mean


@pytest.mark.parametrize(("error", "code"), [(ConfigurationError, 2), (DataError, 3), (CheckpointError, 4), (Interrupted, 75)])
def test_exit_codes(error, code, capsys):
    def fail():
        raise error("a.jpg:\nis \x1b[31mbroken")

    with pytest.raises(SystemExit) as exit_info:
        with_exit_code(fail, debug=False)
    assert exit_info.value.code == code
    assert capsys.readouterr().err == "error: a.jpg: is \\x1b[31mbroken\n"


def test_success_exits_0():
    with pytest.raises(SystemExit) as exit_info:
        with_exit_code(lambda: None, debug=False)
    assert exit_info.value.code == 0


def test_debug_shows_the_traceback():
    def fail():
        raise DataError("broken")

    with pytest.raises(DropstreamError, match="broken"):
        with_exit_code(fail, debug=True)


def test_did_you_mean_ignores_case():
    assert did_you_mean("big_nose", ["Big_Nose", "Big_Lips"]) == "; did you mean 'Big_Nose'?"


def test_one_line_has_no_control_characters():
    assert one_line("a\tb\x00\u202ec") == "a b\\x00\\u202ec"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")  # noqa: PTH110
def test_a_full_standard_output_is_one_line():
    program = "from shards.command import with_exit_code; with_exit_code(lambda: print('done'), debug=False)"
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "error: [Errno 28] No space left on device\n")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Do a thing."""

    folder: tyro.conf.Positional[str] = "here"
    """Where."""
    images: str
    """What."""
    out: str
    """To where."""
    fast: bool = False
    """How."""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "a", "--out", "b"], "unknown option '--image'; did you mean 'images'?"),
        (["--images", "a", "--out", "b", "--no-fasts"], "unknown option '--no-fasts'; did you mean 'no-fast'?"),
        (["--images", "a"], "missing --out; see --help"),
        ([], "missing --images, --out; see --help"),
    ],
)
def test_flags_that_do_not_exist_or_are_missing_are_named(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tool", *arguments])
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(SystemExit) as exit_info:
        run(Options, lambda _: None)
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), handlers, strict=True):
        signal.signal(number, handler)
    assert exit_info.value.code == 2
    assert capsys.readouterr().err == f"error: {message}\n"


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--lr", "unknown option '--lr'; did you mean 'optimizer.lr'?"),
        ("--train.lr=3", "unknown option '--train.lr=3'; did you mean 'optimizer.lr'?"),
        ("--learning-rate", "unknown option '--learning-rate'; did you mean 'optimizer.lr'?"),
        ("--optimizer.learning_rate", "unknown option '--optimizer.learning_rate'; did you mean 'optimizer.lr'?"),
        ("--resume", "unknown option '--resume'; did you mean 'run.if_exists resume'?"),
        ("--dir", "unknown option '--dir'; did you mean 'run.dir' or 'features.dir'?"),
        ("--train.epoch", "unknown option '--train.epoch'; did you mean 'train.epochs'?"),
        ("--epoch", "unknown option '--epoch'; did you mean 'train.epochs'?"),
        ("--first_sed", "unknown option '--first_sed'; did you mean 'first-seed'?"),
        ("--zzz", "unknown option '--zzz'"),
    ],
)
def test_what_an_unknown_option_may_mean(flag, message):
    known = ["run.dir", "run.if_exists", "features.dir", "optimizer.name", "optimizer.lr", "train.epochs", "first-seed"]
    assert str(unknown_option(flag, known, {"learning_rate": "optimizer.lr", "resume": "run.if_exists resume"})) == message
