"""What every command has in common: flags from a dataclass, errors as one line, documented exit codes."""

import dataclasses
import difflib
import io
import itertools
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

import tyro

from shards.characters import visible
from shards.errors import ConfigurationError, DataError, DropstreamError, did_you_mean
from shards.signals import ignore_stop_at_exit, interrupt_on_stop
from shards.streams import outlast_readers

Options = TypeVar("Options")

DEBUG_FLAG = "--debug"
_NOTHING: Mapping[str, str] = MappingProxyType({})
_RULE = re.compile(r"[╭╮╰╯─+-]+")
"""A horizontal line of a box, nothing else on it."""
_AT_HOME = re.compile(r"((?:--[\w.-]+=)?(?:[a-z]+=)?)(~[\w.-]*/.*|(?<==)~)", re.DOTALL)
"""A path below a home folder, maybe behind a flag, or behind `test=` as in `--partition test=~/list.txt`."""


def run(options_type: type[Options], function: Callable[[Options], None], usual: Mapping[str, str] = _NOTHING) -> NoReturn:
    """Parse the command line into `options_type`, call `function` with it and exit.

    Args:
        options_type: A dataclass; its docstring and field docstrings become `--help`.
        function: The command. A `DropstreamError` it raises becomes one line on stderr and the error's exit code;
            with `--debug` the traceback is shown as well.
        usual: As for `unknown_option`.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG_FLAG]
    debug = len(arguments) != len(sys.argv) - 1
    interrupt_on_stop()
    with_exit_code(lambda: function(_parse(options_type, arguments, usual)), debug=debug)


def _parse(options_type: type[Options], arguments: Sequence[str], usual: Mapping[str, str]) -> Options:
    """Parse, after a look for flags that do not exist or are missing: tyro's complaint repeats the help."""
    fields = dataclasses.fields(options_type) if dataclasses.is_dataclass(options_type) else ()
    known = [field.name.replace("_", "-") for field in fields]
    known += [f"no-{field.name.replace('_', '-')}" for field in fields if field.type is bool]
    # Behind a bare -- are no flags any more.
    flags = [argument for argument in itertools.takewhile(lambda argument: argument != "--", arguments) if argument.startswith("--")]
    given = [flag[2:].partition("=")[0].replace("_", "-") for flag in flags]
    if fields and not {"help", "h"} & set(given):
        for name in given:
            if name not in known:
                raise unknown_option(f"--{name}", known, usual)
    return parse_flags(options_type, arguments)


def parse_flags(options_type: type[Options], arguments: Sequence[str], **settings: Any) -> Options:  # noqa: ANN401 (tyro's own)
    """Return the options; `settings` go to `tyro.cli`.

    Raises:
        ConfigurationError: A flag is unknown, lacks a value or has one of the wrong type.
        SystemExit: With 0 after `--help`.
    """
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.cli(options_type, args=[at_home(argument) for argument in arguments], **settings)
    except SystemExit as exit_info:
        if not exit_info.code:
            raise
        # tyro draws a box with help around it, in Unicode or ASCII as the locale has it; its first paragraph is the complaint.
        inner = [line.strip("│| ") for line in complaint.getvalue().splitlines()]
        lines = ["" if _RULE.fullmatch(line) else line for line in inner]
        paragraph = list(itertools.takewhile(bool, itertools.dropwhile(lambda line: not line, lines[1:])))
        missing = [line.split()[0] for line in paragraph[1:] if line.startswith("--")]
        if missing and paragraph[0].startswith("Missing from"):
            # Without each option's help.
            paragraph = ["missing", ", ".join(missing)]
        complaint_line = " ".join(paragraph)
        joined = next((word for word in arguments if "," in word and not word.startswith("-") and word in complaint_line), None)
        commas = "" if joined is None else f"; values are separated by spaces: {' '.join(joined.strip('[]()').replace(',', ' ').split())}"
        raise ConfigurationError(f"{complaint_line}{commas}; see --help") from exit_info


def unknown_option(flag: str, known: Sequence[str], usual: Mapping[str, str]) -> ConfigurationError:
    """Return the error for an option that does not exist, with what is probably meant.

    Args:
        flag: The option as it was given.
        known: Names of all options, without dashes; a dot before the last part stands between section and key.
        usual: Last part of a name that other programs use, with `_` for `-` -> what to write instead.

    >>> str(unknown_option("--lr", ["optimizer.lr", "run.dir"], {}))
    "unknown option '--lr'; did you mean 'optimizer.lr'?"
    """
    name = flag.removeprefix("--").partition("=")[0].replace("-", "_")
    last, by_last = name.rpartition(".")[2], dict[str, list[str]]()
    for option in known:
        by_last.setdefault(option.rpartition(".")[2].replace("-", "_"), []).append(option)
    if last in usual:
        by_last[last] = [usual[last]]
    if last in by_last:
        return ConfigurationError(f"unknown option {flag!r}; did you mean {' or '.join(map(repr, by_last[last]))}?")
    hint, nearest = did_you_mean(name, known), difflib.get_close_matches(last, by_last, n=1)
    if not hint and nearest:
        hint = f"; did you mean {' or '.join(map(repr, by_last[nearest[0]]))}?"
    return ConfigurationError(f"unknown option {flag!r}{hint}")


def at_home(word: str) -> str:
    """Return a word of the command line with a `~` at the beginning of a path written out, as a shell does for a word that begins with it.

    >>> at_home("--run.dir=~/runs") == "--run.dir=" + os.path.expanduser("~/runs"), at_home("Finding~Mass")
    (True, 'Finding~Mass')
    """
    found = _AT_HOME.fullmatch(word)
    return word if found is None else found[1] + os.path.expanduser(found[2])  # noqa: PTH111 (a Path would change the rest)


def with_exit_code(function: Callable[[], None], *, debug: bool) -> NoReturn:
    """Call `function` and exit with the code that its outcome has in the documentation, whoever reads what it prints."""
    outlast_readers()
    try:
        function()
        sys.stdout.flush()
    except DropstreamError as error:
        if debug:
            raise
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        # Standard output on a full disk, for example: whatever is a file of the user's is a `DataError` already.
        if debug:
            raise
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DataError.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        # What a shell reports for a process that SIGINT ended.
        sys.exit(130)
    finally:
        ignore_stop_at_exit()
    sys.exit(0)


def one_line(message: str) -> str:
    r"""Return the message on one line, with control characters (ANSI escapes in a key, say) made visible.

    >>> one_line("bad" + chr(27) + "[31m key" + chr(10) + "next")
    'bad\\x1b[31m key next'
    """
    return visible(" ".join(message.split()))
