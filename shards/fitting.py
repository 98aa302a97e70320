"""What fits: the least important goes first."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def fitting(items: Sequence[Item], rank: Callable[[Item], int], fits: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """Return as many of the items as fit together, in their order.

    Args:
        items: What is to be shown.
        rank: The items of the highest rank are left out first, later ones before earlier ones; those of rank 0 stay whatever happens.
        fits: Whether these fit.

    >>> fitting([3, 0, 1, 2], rank=abs, fits=lambda kept: len(kept) <= 2)
    [0, 1]
    """
    kept = list(items)
    while not fits(kept) and any(rank(item) for item in kept):
        kept.pop(max(range(len(kept)), key=lambda place: (rank(kept[place]), place)))
    return kept
