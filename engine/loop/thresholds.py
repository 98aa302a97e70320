"""The probability above which each task is answered "present"."""

from typing import Any, Literal

from jaxtyping import Float, Int
from torch import Tensor

from engine.journal.records import HALF
from engine.loop.curve import best_threshold, task_curve
from engine.loop.metrics import labelled_samples


class Thresholds:
    """0.5 for every task, or what each evaluation on val found best.

    Threshold-dependent measures on val are optimistic then, for the threshold has seen val's labels. Those on test are honest; where a
    task's share of positives differs between val and test, they may well be worse than at 0.5.
    """

    def __init__(self, num_tasks: int, mode: Literal["half", "val"]) -> None:
        """Begin at 0.5.

        Args:
            num_tasks: T.
            mode: `half` stays there.
        """
        self._mode = mode
        self.values = (HALF,) * num_tasks

    def see(self, split: str, logits: Float[Tensor, "sample task"], labels: Int[Tensor, "sample task"]) -> None:
        """Take in an evaluation: one on val, in the mode `val`, gives the thresholds, those of its best balanced accuracy.

        A task without both classes among its labelled samples has 0.5.

        Args:
            split: Split that was evaluated.
            logits: float32, one row per sample, on the CPU.
            labels: 1, 0, or -1 for not labelled.
        """
        if self._mode == "val" and split == "val":
            self.values = tuple(
                best_threshold(task_curve(answers, positive)) if 0 < positive.sum() < len(positive) else HALF
                for answers, positive in labelled_samples(logits, labels)
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the thresholds."""
        return {"values": list(self.values)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with other thresholds.

        Raises:
            ValueError: They are not one number from 0 to 1 per task.
        """
        values = state.get("values")
        if not isinstance(values, list) or len(values) != len(self.values) or not all(_is_probability(value) for value in values):
            raise ValueError(f"thresholds: expected {len(self.values)} numbers from 0 to 1, got {values}")
        self.values = tuple(values)


def _is_probability(value: object) -> bool:
    return isinstance(value, float) and 0 <= value <= 1
