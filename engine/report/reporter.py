"""The one object through which a training run speaks: to `records.jsonl`, to the screen, and at the end to the report files."""

from pathlib import Path
from types import TracebackType
from typing import Self

from engine.journal.history import RunHistory, resume_history
from engine.journal.journal import Journal
from engine.journal.records import EpochRecord, EvalRecord, LoaderRecord, Record, RunRecord, SkipRecord, to_json
from engine.report.display import Display, Mode, open_display
from engine.report.outputs import write_outputs
from engine.report.summary import summarise


class Reporter:
    """Takes the records of a run, one at a time; used as a context manager.

    Args:
        run_dir: The run folder.
        history: What earlier processes of the run left, so that a resumed run's report covers the whole run.
        journal: Where the records are kept.
        display: Where they are shown.
        with_page: Draw `report.html` at the end.
    """

    def __init__(self, run_dir: Path, history: RunHistory, journal: Journal, display: Display, *, with_page: bool = True) -> None:
        self.run_dir = run_dir
        self._journal = journal
        self._display = display
        self._history = history
        self._open_epoch: int | None = None
        self._with_page = with_page

    def emit(self, record: Record) -> None:
        """Keep one record and show it.

        Raises:
            ValueError: A value is NaN or infinite, or the record does not fit the run; nothing is written then.
            DataError: `records.jsonl` cannot be written.
        """
        line = to_json(record)
        self._history.add(record)
        self._journal.write(line)
        self._show(record)

    def print(self, message: str) -> None:
        """Show one line of notice; it is not kept."""
        self._display.print(message)

    def __enter__(self) -> Self:
        """Return the reporter."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Clean the screen; after a run that finished, show its summary and write `summary.json` and `report.html`."""
        try:
            if error is None and self._history.status == "finished":
                self._display.end(summarise(self._history))
                paths = write_outputs(self.run_dir, self._history, with_page=self._with_page)
                self._display.print("wrote " + ", ".join(str(path) for path in paths))
        finally:
            self._display.close()
            self._journal.__exit__(kind, error, trace)

    def _show(self, record: Record) -> None:
        """Show the record. An epoch is shown once val is there too, or else as soon as the run goes on without it."""
        epoch = self._open_epoch
        belongs = isinstance(record, LoaderRecord | SkipRecord) or (isinstance(record, EvalRecord) and record.split == "val")
        if epoch is not None and not (belongs and getattr(record, "epoch", None) == epoch):
            self._close_epoch(epoch)
        if isinstance(record, RunRecord):
            self._display.run(self._history)
        else:
            self._display.record(record)
        if isinstance(record, EpochRecord):
            self._open_epoch = record.epoch
        elif isinstance(record, EvalRecord) and record.split == "val" and self._open_epoch is not None:
            self._close_epoch(record.epoch)

    def _close_epoch(self, epoch: int) -> None:
        self._open_epoch = None
        self._display.epoch(epoch)


def open_reporter(run_dir: Path, mode: Mode = "auto", *, with_page: bool = True) -> Reporter:
    """Return the reporter of a run.

    Args:
        run_dir: The run folder; made when missing.
        mode: `auto` (rich in a terminal, else plain), `rich`, `plain` or `quiet`.
        with_page: Draw `report.html` at the end.

    Raises:
        DataError: `records.jsonl` cannot be written, or what is in it is damaged.
        ConfigurationError: The mode cannot work here.
    """
    display = open_display(mode)
    history = resume_history(run_dir)
    return Reporter(run_dir, history, Journal(run_dir), display, with_page=with_page)
