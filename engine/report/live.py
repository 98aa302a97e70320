"""The line that follows a run while it trains: one line at any width, cut by importance, never wrapped."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from engine.journal.history import RunHistory
from engine.journal.records import EpochRecord, EvalRecord, LoaderRecord, RunRecord, StepRecord
from engine.report.rates import DATA_BOUND_ABOVE
from engine.show.fitting import fit, on_one_line
from engine.show.words import clock, count, number, percent

RATES_AVERAGED = 10
"""Reported steps whose throughput the remaining time is reckoned from."""


@dataclass(slots=True)
class LiveLine:
    """The live line as something rich draws again and again, as wide as the terminal is at that moment."""

    history: RunHistory

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the line for the history as it is now."""
        yield live_line(self.history, options.max_width)


def live_line(history: RunHistory, width: int) -> Text:
    """Return what the run is doing, in at most `width` cells."""
    if isinstance(history.latest, StepRecord):
        return step_line(history, history.latest, width)
    return on_one_line(Text(_phase(history), style="dim"), width)


def step_line(history: RunHistory, step: StepRecord, width: int) -> Text:
    """Return one reported step in at most `width` cells."""
    return fit(_step_parts(history, step), width)


def wait_style(share: float) -> str:
    """Return the colour of a data wait share, 0 to 1: green up to 5 %, red above 20 %."""
    return "green" if share <= DATA_BOUND_ABOVE else "yellow" if share <= 0.2 else "red"


def remaining_seconds(history: RunHistory, step: StepRecord) -> tuple[float | None, float | None]:
    """Return the seconds to the end of the epoch and to the end of the run, evaluations on val included once one has been seen.

    Throughput is the harmonic mean of the steps reported last in this epoch: the time those images took together.
    """
    run = history.run
    rates = [record.images_per_second for record in list(history.steps.values())[-RATES_AVERAGED:] if record.epoch == step.epoch]
    if not all(rate > 0 for rate in rates):
        return None, None
    seconds_per_step = run.global_batch_size * sum(1 / rate for rate in rates) / len(rates)
    epoch = (run.steps_per_epoch - step.step - 1) * seconds_per_step
    evaluations = history.split("val")
    epochs_left = run.epochs - step.epoch - 1
    training = epochs_left * run.steps_per_epoch * seconds_per_step
    evaluating = (epochs_left + 1) * evaluations[-1].seconds if evaluations else 0.0
    return epoch, epoch + training + evaluating


def _phase(history: RunHistory) -> str:
    run, latest = history.run, history.latest
    match latest:
        case RunRecord():
            return "waiting for the first batch"
        case EpochRecord() | LoaderRecord():
            return f"epoch {latest.epoch + 1}/{run.epochs}  evaluating"
        case EvalRecord() if latest.split == "val" and latest.epoch + 1 < run.epochs:
            return f"epoch {latest.epoch + 2}/{run.epochs}  starting"
        case _:
            return "finishing"


def _step_parts(history: RunHistory, step: StepRecord) -> list[list[Text]]:
    """Return the parts of the line, each in its forms. The more a reader can do without a part, the more empty forms it begins to have."""
    run = history.run
    done = f"{step.step + 1}/{run.steps_per_epoch}"
    wait = percent(step.data_wait_share)
    style = wait_style(step.data_wait_share)
    epoch_left, run_left = remaining_seconds(history, step)
    empty = Text()
    share = (step.step + 1) / run.steps_per_epoch
    num_active = f"{sum(step.active)}/{len(step.active)}"
    return [
        [Text(f"epoch {step.epoch + 1}/{run.epochs}", "bold")],
        [Text(f"step {done}"), Text(done), Text(done), Text(done), empty],
        [_bar(share, 12), _bar(share, 6), _bar(share, 6), empty],
        [Text(f"{count(step.images_per_second)} images/s", "cyan"), Text(f"{count(step.images_per_second)}/s", "cyan")],
        [Text(f"data wait {wait}", style), Text(f"wait {wait}", style)],
        [Text(f"loss {number(step.loss, 4)}"), Text(f"loss {number(step.loss)}"), Text(f"loss {number(step.loss)}"), empty],
        [Text("tasks ") + _dots(step.active), _dots(step.active), Text(f"tasks {num_active}"), Text(num_active), empty],
        [
            Text(f"ETA epoch {clock(epoch_left)}, run {clock(run_left)}", "magenta"),
            Text(f"ETA {clock(run_left)}", "magenta"),
            empty,
        ],
    ]


def _bar(share: float, width: int) -> Text:
    full = round(share * width)
    return Text("━" * full, "cyan") + Text("─" * (width - full), "dim")


def _dots(active: Sequence[bool]) -> Text:
    line = Text()
    for is_active in active:
        line.append("●" if is_active else "○", "green" if is_active else "dim")
    return line
