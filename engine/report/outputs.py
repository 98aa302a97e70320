"""The files a report leaves in the run folder beside the records: `summary.json` and `report.html`."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from engine.journal.history import RunHistory
from engine.report.html import page
from engine.report.summary import summarise, summary_json
from shards.errors import DataError

REPORT_FILES = ("summary.json", "report.html")


def write_outputs(run_dir: Path, history: RunHistory, *, with_page: bool = True) -> list[Path]:
    """Write the files anew and return their paths. The folder's `config.yaml`, if there, is shown on the page.

    Args:
        run_dir: The run folder.
        history: The run.
        with_page: Draw the page; its plots take a second.

    Raises:
        DataError: A file cannot be written, or `config.yaml` cannot be read.
    """
    summary, report = REPORT_FILES
    contents = {summary: summary_json(summarise(history))}
    if with_page:
        contents[report] = page(history, _config(run_dir / "config.yaml"))
    for name, content in contents.items():
        write_text(run_dir / name, content)
    return [run_dir / name for name in contents]


def is_one_of(name: str, names: Sequence[str]) -> bool:
    """Return whether a file's name is one of some, or that of what a killed process leaves of one.

    >>> names = ("report.html",)
    >>> is_one_of(".report.html.17.tmp", names), is_one_of(".report.html.tmp", names), is_one_of(".report.htm.17.tmp", names)
    (True, True, False)
    """
    return name in names or (name.endswith(".tmp") and name.startswith(tuple(f".{known}." for known in names)))


def write_text(path: Path, content: str) -> None:
    """Write a text file so that its name never holds half of it.

    Raises:
        DataError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _config(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
