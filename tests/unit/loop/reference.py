"""Every metric once more, by scikit-learn and by other means than ours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

TASKS = ("even", "tied", "rare", "constant", "absent", "unlabelled", "sparse", "extreme")
MAJORITY = (True, False, False, True, False, False, True, False)
_UNDEFINED = (
    "loss accuracy balanced_accuracy precision recall f1 auroc average_precision calibration_error majority_accuracy all_positive_f1"
).split()
"""What some labels do not define."""


def random_table(num_samples: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Logits and labels of tasks of all kinds: [n, 8] each."""
    rng = np.random.default_rng([seed, num_samples])
    labels = rng.integers(0, 2, (num_samples, len(TASKS))).astype(np.int8)
    labels[:, 2] = rng.random(num_samples) < 0.02
    labels[:, 3] = 1
    labels[:, 4] = 0
    labels[:, 5] = -1
    labels[:, 6] = rng.integers(-1, 2, num_samples)
    logits = (2 * rng.normal(size=labels.shape) + labels).astype(np.float32)
    logits[:, 1] = logits[:, 1].round()
    logits[:, 7] *= 20
    return logits, labels


def reference(logits: NDArray[np.float32], labels: NDArray[np.int8], threshold: float, majority: bool) -> dict[str, Any]:
    """The metrics of one task, None where its labels do not define them."""
    truth, score = labels[labels >= 0], logits[labels >= 0].astype(np.float64)
    probability = 1 / (1 + np.exp(-score))
    answer = probability > threshold
    num_positive = int(truth.sum())
    values: dict[str, Any] = dict.fromkeys(_UNDEFINED)
    values["constant"] = None
    values |= {"num_labelled": len(truth), "num_positive": num_positive, "threshold": threshold}
    if len(truth):
        values |= {
            # In the form that no rounding of a probability to 1 can touch.
            "loss": np.logaddexp(0, np.where(truth == 1, -score, score)).mean(),
            "accuracy": metrics.accuracy_score(truth, answer),
            "calibration_error": binned_error(probability, truth),
            "majority_accuracy": metrics.accuracy_score(truth, np.full_like(truth, majority)),
        }
        if np.abs(score).max() < 30:
            assert abs(values["loss"] - metrics.log_loss(truth, probability, labels=[0, 1])) < 1e-9
    if num_positive:
        values |= {
            "precision": metrics.precision_score(truth, answer, zero_division=0),
            "recall": metrics.recall_score(truth, answer),
            "f1": metrics.f1_score(truth, answer),
            "all_positive_f1": metrics.f1_score(truth, np.ones_like(truth)),
        }
    if 0 < num_positive < len(truth):
        values |= {
            "balanced_accuracy": metrics.balanced_accuracy_score(truth, answer),
            "constant": "answers" if len(set(answer.tolist())) == 1 else None,
            "auroc": metrics.roc_auc_score(truth, score),
            "average_precision": metrics.average_precision_score(truth, score),
        }
    if len(score) > 1 and len(set(score.tolist())) == 1:
        values["constant"] = "logits"
    return values


def binned_error(probability: NDArray[np.float64], truth: NDArray[np.int8]) -> float:
    """Expected calibration error, bin by bin."""
    total = 0.0
    for number in range(15):
        inside = (probability > number / 15) & (probability <= (number + 1) / 15) | ((probability == 0) & (number == 0))
        if inside.any():
            total += inside.mean() * abs(probability[inside].mean() - truth[inside].mean())
    return float(total)
