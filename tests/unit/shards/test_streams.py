"""Commands go on when nobody reads what they print."""

import os
import pty
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from shards.command import with_exit_code
from shards.errors import DataError

def work():
    for number in range(2000):
        print("line", number, flush=True)
        print("notice", number, file=sys.stderr)
    open(sys.argv[1], "w").write("done")
    if len(sys.argv) > 2:
        raise DataError("bad data")

with_exit_code(work, debug=False)
"""


@pytest.mark.parametrize(("more", "code"), [([], 0), (["fail"], 3)])
def test_a_reader_that_goes_away_changes_nothing(tmp_path, more, code):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "file"), *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout.readline() == b"line 0\n"
    process.stdout.close()
    assert process.wait(60) == code
    assert (tmp_path / "file").read_text() == "done"


def test_a_terminal_that_is_closed_changes_nothing(tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "file")]
    # Not its controlling terminal: the signal of a terminal that goes is another matter.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    assert os.read(ours, 5)
    os.close(ours)
    assert process.wait(60) == 0
    assert (tmp_path / "file").read_text() == "done"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_without_streams_from_the_start(tmp_path, closed):
    command = f'exec "{sys.executable}" -c "$PROGRAM" "{tmp_path / "file"}" {closed}'
    done = subprocess.run(
        ["bash", "-c", command], env=os.environ | {"PROGRAM": PROGRAM}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    # No library's or our own file has taken the place of the missing descriptor.
    assert (tmp_path / "file").read_text() == "done"


def test_what_is_read_arrives_whole():
    done = subprocess.run([sys.executable, "-c", PROGRAM, os.devnull], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [f"line {number}" for number in range(2000)]
    assert done.stderr.splitlines() == [f"notice {number}" for number in range(2000)]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_crash_loses_nothing_that_was_out_before(unbuffered):
    """A line of standard error is out at once; of standard output too if Python was told to buffer nothing."""
    program = (
        "import os, sys; from shards.streams import outlast_readers; outlast_readers(); "
        "print('told', file=sys.stderr); print('begun', end=''); os._exit(9)"
    )
    command, environment = [sys.executable, "-c", program], os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (9, "told\n", "begun" if unbuffered else "")


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({"PYTHONIOENCODING": "latin-1"}, r"\u5fae\u7b11 é"),
        ({"PYTHONIOENCODING": "ascii"}, r"\u5fae\u7b11 \xe9"),
        ({"PYTHONIOENCODING": "utf-8"}, "微笑 é"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, r"\u5fae\u7b11 \xe9"),
        ({"PYTHONIOENCODING": "ascii:replace"}, "?? ?"),
    ],
)
def test_what_a_console_cannot_show_is_escaped(variables, shown):
    program = "from shards.streams import outlast_readers; outlast_readers(); print('\\u5fae\\u7b11 \\xe9')"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO", "PYTHONUTF8"))}
    done = subprocess.run([sys.executable, "-c", program], env=kept | variables, capture_output=True, timeout=60, check=True)
    encoding = variables.get("PYTHONIOENCODING", "ascii").partition(":")[0]
    assert done.stdout.decode(encoding) == f"{shown}\n"
