"""Interrupts a training from inside, at a place that is named: a kill in the middle of a checkpoint, a signal in the middle of a step.

A program for a nursery calls `kill_at` or `signal_at` and then trains. `python -m tests.faults.interruptions FOLDER` writes a checkpoint
again and again, killed at every place there is.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.loop import checkpoint, trainer
from engine.loop.checkpoint import Snapshot, write_checkpoint
from engine.loop.step import TrainStep
from shards import files
from tests.faults.kill_points import Killer, before
from tests.integration.conftest import flags
from tests.launch import TRAIN, Nursery

OPTIONS = {"train__epochs": 2, "train__checkpoint_every": 2, "report__every": 1}
"""A run of six checkpoints."""


def train(nursery: Nursery, num_ranks: int, words: list[str], addition: str = "") -> list[int]:
    """Train on one process or two that do something first; return how each ended."""
    program = f"import signal\nfrom tests.faults.interruptions import *\n{addition}\n{TRAIN}"
    children = nursery.start_two(words, program) if num_ranks == 2 else [nursery.start(words, program)]
    return [child.finish()[0] for child in children]


@pytest.fixture(scope="session")
def calm(shards, nursery, tmp_path_factory) -> list[Path]:
    """What a run leaves that nobody disturbs, on one process and on two."""
    folders = [tmp_path_factory.mktemp("calm") / "run" for _ in range(2)]
    for num_ranks, folder in enumerate(folders, start=1):
        assert set(train(nursery, num_ranks, flags(shards, folder, **OPTIONS))) == {0}
    return folders


def snapshot(value: float) -> Snapshot:
    """A small checkpoint that can be told from others."""
    tensors = {"model": {"weight": torch.full((64, 64), value)}, "optimizer": {"0.exp_avg": torch.full((64, 64), -value)}}
    return Snapshot(tensors=tensors, state={"value": value})


class _HalfWriting:
    """A file whose process may die before a write or in the middle of one."""

    def __init__(self, file: Any, killer: Killer) -> None:
        self._file, self._killer = file, killer

    def write(self, data: bytes) -> None:
        self._killer.event("before a write")
        if self._killer.reached("in a write"):
            self._file.write(data[: len(data) // 2])
            self._file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self._file.write(data)


def watch(killer: Killer) -> None:
    """Put the killer before every step of a checkpoint that changes the disk."""
    atomic_write, rmtree = checkpoint.atomic_write, shutil.rmtree

    @contextmanager
    def watched_write(path: Path, **options) -> Iterator[Any]:
        with atomic_write(path, **options) as file:
            yield _HalfWriting(file, killer)

    def watched_removal(folder: Path, **options) -> None:
        # Also for a folder that is not there: then nothing is in it.
        entries = sorted(Path(folder).iterdir()) if Path(folder).is_dir() else []
        killer.event("before a removal")
        if entries and killer.reached("in a removal"):
            entries[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        rmtree(folder, **options)

    checkpoint.atomic_write = watched_write
    checkpoint.shutil.rmtree = watched_removal
    files.os.fsync = before(killer, "before an fsync", os.fsync)
    Path.replace = before(killer, "before a file's rename", Path.replace)
    Path.rename = before(killer, "before a folder's rename", Path.rename)
    Path.mkdir = before(killer, "before a folder is made", Path.mkdir)


def kill_at(which: int, kind: str, number: int) -> None:
    """Die in the `which`-th checkpoint of this process, at the `number`-th event of a kind; "any" kind counts all of them."""
    written = 0

    def watched(*arguments: Any) -> None:
        nonlocal written
        written += 1
        if written == which:
            watch(_AnyKiller(number) if kind == "any" else Killer(kind, number))
        write_checkpoint(*arguments)

    trainer.write_checkpoint = watched


class _AnyKiller(Killer):
    """Counts events of all kinds together."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def reached(self, kind: str) -> bool:
        self._left -= 1
        return self._left == 0


def signal_at(place: str, number: int, ranks: tuple[str, ...], *, after: int = 1, times: int = 1) -> None:
    """Send this process a signal in the middle of a step, an evaluation or a checkpoint, and again while it is being obeyed.

    Args:
        place: `step`, `evaluation` or `saving`.
        number: The signal.
        ranks: Ranks that get it; "0" without a launcher.
        after: How many such places come to pass before it.
        times: How often; all but the first while the checkpoint is written with which it stops.
    """
    if os.environ.get("RANK", "0") not in ranks:
        return
    sent = 0

    def send() -> None:
        nonlocal sent, after
        after -= 1
        if after < 0 and sent < times:
            sent += 1
            os.kill(os.getpid(), number)

    def then(function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            send()
            return function(*arguments, **options)

        return watched

    def saving(function: Callable[..., Any]) -> Callable[..., Any]:
        # Whether a signal has been sent is known only when it is called.
        return lambda *arguments: then(function)(*arguments) if place == "saving" or sent else function(*arguments)

    evaluate, step = trainer.evaluate, TrainStep.__call__
    if os.environ.get("RANK", "0") == "0":
        # In the middle of it: the folder has been made, and nothing is in it.
        checkpoint.save = saving(checkpoint.save)
    else:
        # The others give what they have and wait.
        trainer.take_snapshot = saving(trainer.take_snapshot)
    if place == "step":
        TrainStep.__call__ = then(step)
    elif place == "evaluation":
        trainer.evaluate = lambda *arguments, should_stop, **options: evaluate(*arguments, should_stop=then(should_stop), **options)


def main() -> None:
    """Write two checkpoints, and the third one killed at each event, in a copy of the folder each; print the events' names."""
    out = Path(sys.argv[1])
    for step in (1, 2):
        write_checkpoint(out / "before", 0, step, snapshot(step))
    counting = Killer()
    for number in range(1, 10_000):
        folder = out / str(number)
        shutil.copytree(out / "before", folder)
        child = os.fork()
        if not child:
            watch(_AnyKiller(number))
            write_checkpoint(folder, 0, 3, snapshot(3))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
    shutil.copytree(out / "before", out / "counted")
    watch(counting)
    write_checkpoint(out / "counted", 0, 3, snapshot(3))
    print(json.dumps({"killed": number - 1, "events": counting.counts}))


if __name__ == "__main__":
    main()
