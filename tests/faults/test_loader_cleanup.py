"""F-07 in one process: whatever ends a loader, no thread, no process, no open shard and no shared memory is left, and it can go on."""

import gc
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from engine.pipeline.loader import Loader
from engine.pipeline.torch_stream import prepare_to_end
from shards.errors import DataError
from tests.faults.conftest import damage, end_all, eventually, mark, marked, shared_memory
from tests.loading import batches, open_loader, same
from tools.benchmarks.trial import family

OPTIONS = {"image_size": 32, "threads": 2}
BACKENDS = ["dali", "torch"]


def held() -> tuple[set[str], set[str], set[int]]:
    """This process's threads, open shards and processes."""
    files = {str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}
    return set(os.listdir("/proc/self/task")), {file for file in files if ".tar" in file}, set(family(os.getpid()))


def keep_going(loader: Loader) -> None:
    for _ in range(5):
        next(loader)


def with_statement(loader: Loader) -> None:
    with loader:
        keep_going(loader)


def consumer_raises(loader: Loader) -> None:
    with pytest.raises(ZeroDivisionError), loader:
        for number, _ in enumerate(loader):
            number / (number - 3)


def close_twice(loader: Loader) -> None:
    keep_going(loader)
    loader.close()
    loader.close()


def never_begun(loader: Loader) -> None:
    loader.close()


def loader_raises(loader: Loader) -> None:
    with pytest.raises(DataError, match="is damaged"), loader:
        keep_going(loader)


def raises_and_is_forgotten(loader: Loader) -> None:
    with pytest.raises(DataError, match="is damaged"):
        keep_going(loader)
    loader.close()


ENDS = [with_statement, consumer_raises, close_twice, never_begun, loader_raises, raises_and_is_forgotten]


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_left_however_a_loader_ends(shards, copy, backend):
    with open_loader(shards, backend=backend, **OPTIONS) as loader:
        # What stays for the life of the process, torch's own threads and the server of its processes for example.
        damage(copy, int(loader.order.batch(0, 4)[3]))
        keep_going(loader)
        _, files, processes = held()
        assert processes - {os.getpid()} if backend == "torch" else files
    gc.collect()
    before, shared = held(), shared_memory()
    for end in [*ENDS, *ENDS]:
        loader = open_loader(copy if "raises" in end.__name__ and end is not consumer_raises else shards, backend=backend, **OPTIONS)
        end(loader)
        gc.collect()
        # No more than before: what an earlier test has left may end meanwhile.
        assert eventually(lambda: all(now <= then for now, then in zip(held(), before, strict=True)), 60), (end.__name__, held(), before)
        assert held()[1] == set()
    # Another test on this machine may have some for a moment.
    assert eventually(lambda: shared_memory() <= shared, 60), shared_memory() - shared


@pytest.mark.parametrize("backend", BACKENDS)
def test_after_an_error_the_loader_tells_it_again_and_never_gives_another_batch(copy, shards, backend):
    undisturbed = batches(6, shards, backend=backend, **OPTIONS)
    with open_loader(copy, backend=backend, **OPTIONS) as loader:
        bad = int(loader.order.batch(0, 3)[2])
        damage(copy, bad)
        loaded = []
        for _ in range(3):
            with pytest.raises(DataError, match="is damaged"):
                while len(loaded) < 6:
                    loaded.append(next(loader))
        damage(copy, bad)
        loaded += [next(loader) for _ in range(6 - len(loaded))]
    assert all(same(one, other) for one, other in zip(loaded, undisturbed, strict=True))


def interrupted(folder: str, rounds: int) -> None:
    """A process that is interrupted, as by Ctrl-C, again and again while it loads; it prints what was wrong."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # One that comes in the middle of a finaliser is told by Python and let go; `press` presses again.
    sys.unraisablehook = lambda told: None if told.exc_type is KeyboardInterrupt else sys.__unraisablehook__(told)
    chance = random.Random(7)
    undisturbed = batches(14, Path(folder), **OPTIONS)
    loader = open_loader(Path(folder), **OPTIONS)
    before = held()
    for number in range(rounds):
        stopped = threading.Event()
        presses = threading.Thread(target=press, args=(chance.uniform(0, 0.04), stopped))
        try:
            next(loader)
            presses.start()
            while True:
                place = loader.state_dict()
                batch = next(loader)
                if place["epoch"] < 2 and not same(batch, undisturbed[7 * place["epoch"] + place["step"]]):
                    print(f"round {number}: another batch in place of {place['epoch']}, {place['step']}")
        except KeyboardInterrupt:
            stopped.set()
        presses.join()
        if number % 2:
            loader.close()
            gc.collect()
            if not eventually(lambda: held()[0] <= before[0] and not held()[1], 10):
                print(f"round {number}: {held()} instead of {before}")
            loader.seek(0, 0)
    print("end")


def press(seconds: float, stopped: threading.Event) -> None:
    """Press Ctrl-C after some time; again where it came in the middle of a finaliser, from which Python lets no exception out."""
    while not stopped.wait(seconds):
        os.kill(os.getpid(), signal.SIGINT)
        seconds = 2


def test_a_loader_that_was_interrupted_goes_on_or_ends_without_a_trace(shards, nursery):
    program = f"from tests.faults.test_loader_cleanup import interrupted; interrupted({str(shards)!r}, 16)"
    assert nursery.start([], program).finish() == (0, "end\n", "")


def sharing_for_ever() -> None:
    prepare_to_end(0)
    while True:
        torch.empty(2**16).share_memory_()


def test_a_process_that_is_asked_to_end_leaves_no_shared_memory():
    # Ended by the system, one in ten leaves some.
    context, chance = multiprocessing.get_context("forkserver"), random.Random(7)
    context.set_forkserver_preload([__name__])
    for _ in range(30):
        process = context.Process(target=sharing_for_ever)
        process.start()
        time.sleep(chance.uniform(0.03, 0.06))
        process.terminate()
        process.join()
        assert not list(Path("/dev/shm").glob(f"torch_{process.pid}_*"))  # noqa: S108 (where torch puts it)


def loading_for_ever(folder: str) -> None:
    for _ in open_loader(Path(folder), backend="torch", **OPTIONS):
        print("batch", flush=True)


def test_the_processes_of_a_killed_loader_die_with_it(shards, nursery, tmp_path):
    shared, name = shared_memory(), str(tmp_path)
    program = f"from tests.faults.test_loader_cleanup import loading_for_ever; loading_for_ever({str(shards)!r})"
    child = nursery.start([], program, **mark(name))
    try:
        assert eventually(lambda: "batch" in child.communicate()[0])
        # Itself, the server of its processes, and those.
        assert len(marked(name)) > 3
        child.send_signal(signal.SIGKILL)
        assert child.poll(20) is not None
        assert eventually(lambda: not marked(name), 20), marked(name).keys()
    finally:
        end_all(name)
    assert eventually(lambda: shared_memory() <= shared, 10), shared_memory() - shared
