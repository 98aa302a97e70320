"""Whether the host waits for the GPU: torch's debug mode, which raises where it would."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from engine.loop.features.stream import FeatureStream
from engine.loop.step import TrainStep


@contextmanager
def no_waiting() -> Iterator[None]:
    """Raise where torch makes the host wait for the GPU; back to normal at the end, whatever happens."""
    try:
        _set_mode("error")
        yield
    finally:
        _set_mode("default")


def watch_steps_from_features(monkeypatch, first: int) -> list[int]:
    """Let no training step from features wait, from the given one on, counted over the whole run.

    Returns:
        The numbers of the steps that were watched; it grows while the run trains.
    """
    watched: list[int] = []
    counts = dict.fromkeys(("next", "step"), 0)

    def strict(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watch(self, *arguments, **options):
            number, counts[name] = counts[name], counts[name] + 1
            # The first steps allocate, choose kernels, compile.
            if number < first:
                return call(self, *arguments, **options)
            with no_waiting():
                outcome = call(self, *arguments, **options)
            watched.extend([number] if name == "step" else [])
            return outcome

        return watch

    monkeypatch.setattr(FeatureStream, "next", strict("next", FeatureStream.next))
    monkeypatch.setattr(TrainStep, "__call__", strict("step", TrainStep.__call__))
    return watched


def _set_mode(mode: str) -> None:
    with warnings.catch_warnings():
        # Setting the mode warns, once, that it is a prototype; as an error that would leave the mode set.
        warnings.filterwarnings("ignore", "Synchronization debug mode", UserWarning)
        torch.cuda.set_sync_debug_mode(mode)
