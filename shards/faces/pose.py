"""How a face stands in the picture and where the light comes from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shards.faces.curves import CENTRE

_PIVOT = np.array([CENTRE, 116.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Position of the head and direction of the light."""

    matrix: NDArray[np.float64]
    """[2, 3]: turn in the picture's plane, size and shift."""
    yaw: float
    """How far the features move to the right on the head when it turns, in pixels."""
    light: int
    """-1 for light from the left, 1 for light from the right."""


def choose_pose(rng: np.random.Generator) -> Pose:
    """Choose a small turn, size and shift, as faces that were aligned by their eyes still have."""
    turn = np.radians(np.clip(rng.normal(0, 4.0), -11, 11))
    size = np.clip(rng.normal(0.985, 0.035), 0.9, 1.06)
    shift = np.clip(rng.normal(0, 2.2, 2), -6, 6)
    turned = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.column_stack([turned, _PIVOT + shift - turned @ _PIVOT])
    return Pose(matrix=matrix, yaw=float(np.clip(rng.normal(0, 3.2), -7, 7)), light=1 if rng.random() < 0.5 else -1)
