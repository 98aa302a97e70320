"""The columns of the per-task tables, once for the terminal, plain text and the page."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from engine.journal.records import TaskMetrics
from engine.report.rows import TaskRow, beats_all_positive, beats_majority, has_own_threshold
from engine.show.words import NOT_MEASURED, number, percent


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column: its head and how a row is written in it."""

    name: str
    """The head where there is room."""
    head: tuple[str, str]
    """The head on two short lines; the upper one may be empty."""
    write: Callable[[TaskRow], str]
    """The cell's text."""
    rank: int
    """When a table is too wide the highest rank goes first; 0 stays whatever happens."""
    behind: Callable[[TaskRow], bool] = lambda _: False
    """Whether the cell is marked: a model is not better than what needs none."""
    needed: Callable[[TaskRow], bool] = lambda _: True
    """Whether the row has something to say here; a column that no row needs is left out."""


def needed(columns: Sequence[Column], rows: Iterable[TaskRow]) -> list[Column]:
    """Return the columns that at least one row needs."""
    rows = list(rows)
    return [column for column in columns if any(column.needed(row) for row in rows)]


def _metric(measure: Callable[[TaskMetrics], float | None]) -> Callable[[TaskRow], str]:
    return lambda row: NOT_MEASURED if row.metrics is None else number(measure(row.metrics))


def _below_majority(row: TaskRow) -> bool:
    return beats_majority(row.metrics) is False


def _below_all_positive(row: TaskRow) -> bool:
    return beats_all_positive(row.metrics) is False


def _majority(row: TaskRow) -> str:
    text = _metric(lambda metrics: metrics.majority_accuracy)(row)
    # The sign says it without colour: read across, "0.784 ≤ 0.790".
    return f"≤ {text}" if _below_majority(row) else text


def _all_positive(row: TaskRow) -> str:
    text = _metric(lambda metrics: metrics.all_positive_f1)(row)
    return f"≤ {text}" if _below_all_positive(row) else text


def _gain(row: TaskRow) -> str:
    if beats_majority(row.metrics) is None or row.metrics is None:
        return NOT_MEASURED
    return f"{100 * ((row.metrics.accuracy or 0) - (row.metrics.majority_accuracy or 0)):+.1f}"


def _positives(row: TaskRow) -> str:
    if row.metrics is None or row.metrics.num_labelled == 0:
        return NOT_MEASURED
    return percent(row.metrics.num_positive / row.metrics.num_labelled)


PROBABILITY = Column(name="P", head=("", "P"), write=lambda row: number(row.probability, 2), rank=1)
ACTIVE = Column(name="active share", head=("act.", "share"), write=lambda row: percent(row.active_share), rank=5)
TRAIN_LOSS = Column(name="training loss", head=("train", "loss"), write=lambda row: number(row.train_loss), rank=4)
VAL_LOSS = Column(name="val loss", head=("val", "loss"), write=_metric(lambda metrics: metrics.loss), rank=6)
TEST_LOSS = Column(name="loss", head=("", "loss"), write=_metric(lambda metrics: metrics.loss), rank=6)
ACCURACY = Column(name="accuracy", head=("", "acc."), write=_metric(lambda metrics: metrics.accuracy), rank=0, behind=_below_majority)
MAJORITY = Column(name="majority accuracy", head=("maj.", "acc."), write=_majority, rank=0, behind=_below_majority)
GAIN = Column(name="gain, points", head=("", "gain"), write=_gain, rank=7, behind=_below_majority)
BALANCED = Column(name="balanced accuracy", head=("bal.", "acc."), write=_metric(lambda metrics: metrics.balanced_accuracy), rank=0)
F1 = Column(name="F1", head=("", "F1"), write=_metric(lambda metrics: metrics.f1), rank=3, behind=_below_all_positive)
ALL_POSITIVE = Column(name="all-positive F1", head=("all+", "F1"), write=_all_positive, rank=5, behind=_below_all_positive)
AUROC = Column(name="AUROC", head=("", "AUROC"), write=_metric(lambda metrics: metrics.auroc), rank=2)
PRECISION = Column(name="average precision", head=("avg.", "prec."), write=_metric(lambda metrics: metrics.average_precision), rank=4)
CALIBRATION = Column(name="ECE", head=("", "ECE"), write=_metric(lambda metrics: metrics.calibration_error), rank=5)
THRESHOLD = Column(
    name="threshold",
    head=("thre-", "shold"),
    write=_metric(lambda metrics: metrics.threshold),
    rank=7,
    needed=lambda row: has_own_threshold(row.metrics),
)
POSITIVES = Column(name="positives", head=("posi-", "tives"), write=_positives, rank=8)

EPOCH_COLUMNS = (PROBABILITY, ACTIVE, TRAIN_LOSS, VAL_LOSS, ACCURACY, MAJORITY, BALANCED, F1, AUROC, THRESHOLD)
TEST_COLUMNS = (TEST_LOSS, ACCURACY, MAJORITY, BALANCED, F1, ALL_POSITIVE, AUROC, PRECISION, CALIBRATION, THRESHOLD)
PAGE_COLUMNS = (
    BALANCED,
    ACCURACY,
    MAJORITY,
    GAIN,
    F1,
    ALL_POSITIVE,
    AUROC,
    PRECISION,
    CALIBRATION,
    THRESHOLD,
    POSITIVES,
    PROBABILITY,
    ACTIVE,
)
