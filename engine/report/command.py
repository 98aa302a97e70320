"""`tools/report`: the report of a run from its records, finished or not."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from engine.journal.history import read_history
from engine.report.display import open_display
from engine.report.outputs import write_outputs
from engine.report.picture import picture
from engine.report.summary import summarise
from shards.command import run
from shards.files import write_text


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportOptions:
    """Print the summary of a run and write its summary.json and report.html anew. A run that is still going can be reported on."""

    folder: tyro.conf.Positional[Path]
    """Run folder; the records.jsonl in it is read."""
    svg: Path | None = None
    """Also write a picture of the console (header, last epoch, summary) to this SVG file."""


def report(options: ReportOptions) -> None:
    """Carry out the command.

    Raises:
        DataError: The records are missing or damaged, or a file cannot be written.
    """
    history = read_history(options.folder)
    display = open_display("auto")
    display.end(summarise(history))
    paths = write_outputs(options.folder, history)
    if options.svg:
        write_text(options.svg, picture(history))
        paths.append(options.svg)
    display.print("wrote " + ", ".join(str(path) for path in paths))


def main() -> None:
    """Run the command on the process's arguments."""
    run(ReportOptions, report)
