"""The columns of the per-task tables, once for the terminal, plain text and the page."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.records import TaskMetrics
from engine.report.rows import TaskRow, beats_majority
from engine.report.words import NOT_MEASURED, number, percent


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
    marked: bool = False
    """Whether the cell is marked when the accuracy is not above the majority predictor's."""


def _metric(measure: Callable[[TaskMetrics], float | None]) -> Callable[[TaskRow], str]:
    return lambda row: NOT_MEASURED if row.metrics is None else number(measure(row.metrics))


def _majority(row: TaskRow) -> str:
    text = _metric(lambda metrics: metrics.majority_accuracy)(row)
    # The sign says it without colour: read across, "0.784 ≤ 0.790".
    return f"≤ {text}" if beats_majority(row.metrics) is False else text


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
ACCURACY = Column(name="accuracy", head=("", "acc."), write=_metric(lambda metrics: metrics.accuracy), rank=0, marked=True)
MAJORITY = Column(name="majority accuracy", head=("maj.", "acc."), write=_majority, rank=0, marked=True)
GAIN = Column(name="gain, points", head=("", "gain"), write=_gain, rank=7, marked=True)
BALANCED = Column(name="balanced accuracy", head=("bal.", "acc."), write=_metric(lambda metrics: metrics.balanced_accuracy), rank=0)
F1 = Column(name="F1", head=("", "F1"), write=_metric(lambda metrics: metrics.f1), rank=3)
AUROC = Column(name="AUROC", head=("", "AUROC"), write=_metric(lambda metrics: metrics.auroc), rank=2)
PRECISION = Column(name="average precision", head=("avg.", "prec."), write=_metric(lambda metrics: metrics.average_precision), rank=4)
POSITIVES = Column(name="positives", head=("posi-", "tives"), write=_positives, rank=8)

EPOCH_COLUMNS = (PROBABILITY, ACTIVE, TRAIN_LOSS, VAL_LOSS, ACCURACY, MAJORITY, BALANCED, F1, AUROC)
TEST_COLUMNS = (TEST_LOSS, ACCURACY, MAJORITY, BALANCED, F1, AUROC, PRECISION)
PAGE_COLUMNS = (BALANCED, ACCURACY, MAJORITY, GAIN, F1, AUROC, PRECISION, POSITIVES, PROBABILITY, ACTIVE)
