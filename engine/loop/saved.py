"""What the JSON of a checkpoint must be like before anything is made of it: its checksums are only as good as whoever wrote them."""

import sys
from collections.abc import Mapping
from typing import Any, TypeGuard

_MOST = 2**53


def saved_position(state: Mapping[str, Any]) -> tuple[int, int]:
    """Return epoch and step of the next step to be done.

    Raises:
        ValueError: They are no counts.
    """
    epoch, step = state.get("epoch"), state.get("step")
    if not _is_count(epoch) or not _is_count(step):
        raise ValueError(f"epoch {epoch!r} and step {step!r} are no counts")
    return epoch, step


def saved_identity(state: Mapping[str, Any]) -> dict[str, str]:
    """Return what the run is known by, name -> value in words.

    Raises:
        ValueError: It is something else.
    """
    identity = state.get("identity")
    if not isinstance(identity, dict) or not all(isinstance(value, str) for value in identity.values()):
        raise ValueError("its run has no identity")
    return identity


def saved_tally(state: Mapping[str, Any], num_tasks: int) -> tuple[list[list[float]], list[int], int]:
    """Return the sums of the epoch so far, [ranks, 2T + 1], the steps in which each task was trained, [T], and the number of steps.

    Raises:
        ValueError: They are something else.
    """
    tally = saved_part(state, "tally")
    sums, num_active, num_steps = (tally.get(name) for name in ("sums", "num_active", "num_steps"))
    if not isinstance(sums, list) or not sums or not all(_are_numbers(row, 2 * num_tasks + 1) for row in sums):
        raise ValueError("its sums of losses are not those of these tasks")
    if not isinstance(num_active, list) or len(num_active) != num_tasks or not all(map(_is_count, [*num_active, num_steps])):
        raise ValueError("its numbers of steps are not those of these tasks")
    return sums, num_active, num_steps  # pyrefly: ignore


def saved_scaler(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of the scale of the losses.

    Raises:
        ValueError: It is something else.
    """
    scaler = state.get("scaler")
    names = ("scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker")
    if not isinstance(scaler, dict) or not _are_numbers([scaler.get(name) for name in names], len(names)):
        raise ValueError("its scale of the losses is no set of numbers")
    return scaler


def saved_part(state: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the state of one of the run's parts.

    Raises:
        ValueError: There is none.
    """
    part = state.get(name)
    if not isinstance(part, dict):
        raise ValueError(f"it holds no {name}")  # noqa: TRY004 (the file is wrong, not the caller)
    return part


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MOST


def _are_numbers(values: object, num: int) -> bool:
    # NaN is a number here: who goes on with it is told of the divergence.
    return (
        isinstance(values, list)
        and len(values) == num
        and all(type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max) for value in values)
    )
