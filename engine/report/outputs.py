"""The files a report leaves in the run folder beside the records: `summary.json` and `report.html`."""

from pathlib import Path

from engine.journal.history import RunHistory
from engine.report.html import page
from engine.report.summary import summarise, summary_json
from shards.errors import DataError
from shards.files import write_text

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


def _config(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
