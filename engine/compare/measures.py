"""The measures that are reported, and what needs no model beside each."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.journal.records import TaskMetrics


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureFacts:
    """One measure of a task on a split."""

    field: str
    """Its field in `TaskMetrics`."""
    name: str
    """Its name where there is room."""
    reference: Callable[[TaskMetrics], float | None]
    """What somebody scores who knows nothing of the images; None where there is no such thing."""
    better_when: str = "higher"
    """`higher` or `lower`."""


def _share_of_positives(entry: TaskMetrics) -> float | None:
    return entry.num_positive / entry.num_labelled if entry.num_labelled else None


MEASURES = (
    MeasureFacts(field="balanced_accuracy", name="balanced accuracy", reference=lambda _: 0.5),
    MeasureFacts(field="accuracy", name="accuracy", reference=lambda entry: entry.majority_accuracy),
    MeasureFacts(field="f1", name="F1", reference=lambda entry: entry.all_positive_f1),
    MeasureFacts(field="auroc", name="AUROC", reference=lambda _: 0.5),
    MeasureFacts(field="average_precision", name="average precision", reference=_share_of_positives),
    MeasureFacts(field="calibration_error", name="calibration error", reference=lambda _: None, better_when="lower"),
)
"""The references: chance for balanced accuracy and AUROC, the majority predictor's accuracy, the F1 of always answering "present", and for
average precision the share of positives, which a random order has."""


def measure_of(field: str) -> MeasureFacts:
    """Return the facts of a measure."""
    return next(measure for measure in MEASURES if measure.field == field)
