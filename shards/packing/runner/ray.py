"""Packing on a Ray cluster: each shard is a task, tried again elsewhere when its machine is lost."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from types import ModuleType

from shards.errors import ConfigurationError, DataError
from shards.packing.job import Advance, PackedShard, ShardJob, pack_shard
from shards.packing.runner.local import Jobs

_RETRIES = 5
"""How often a shard is begun again after a machine or a process was lost. A bad image is not tried again."""

_AHEAD = 2
_CONNECT_SECONDS = 10
_TICK_SECONDS = 0.2


def run_on_ray(jobs: Jobs, advance: Advance, *, parallel: int | None, address: str | None) -> Generator[PackedShard]:
    """Pack shards as tasks of a Ray cluster and yield the results as they come.

    The nodes need Dropstream installed and must see the images and the output under the names given here.

    Args:
        jobs: Each job, and whether an earlier packing left a note of it. Taken lazily, a few ahead of the work.
        advance: Told of the progress, a shard at a time.
        parallel: Shards packed at a time; None: as many as the cluster has CPUs.
        address: The cluster's address; None: RAY_ADDRESS, the cluster running on this machine, or one that is started for this.

    Raises:
        ConfigurationError: Ray is not installed, or there is no cluster at the address.
        DataError: A job failed, or its machines were lost too often.
    """
    with _connected(address, parallel) as ray:
        pack = ray.remote(num_cpus=1, max_retries=_RETRIES)(_pack)
        in_flight = parallel or _AHEAD * max(int(ray.cluster_resources().get("CPU", 1)), 1)
        remaining = iter(jobs)
        pending = [pack.remote(job, has_note) for job, has_note in islice(remaining, in_flight)]
        while pending:
            done, pending = ray.wait(pending, timeout=_TICK_SECONDS)
            results = [_result(ray, reference) for reference in done]
            pending += [pack.remote(job, has_note) for job, has_note in islice(remaining, len(done))]
            for result in results:
                advance(result.facts.samples + len(result.bad), result.image_bytes, len(result.bad))
                yield result


@contextmanager
def _connected(address: str | None, parallel: int | None) -> Iterator[ModuleType]:
    # Ray reports its use to its makers unless told not to, which would be a network connection nobody asked for.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ConfigurationError("--runner ray needs Ray; pip install 'dropstream[ray]'") from error
    address = address or os.environ.get("RAY_ADDRESS")
    if address:
        _check(address)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address or "auto", logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, ValueError) as error:
        if address:
            raise ConfigurationError(f"{address}: no Ray cluster answers at this address ({error})") from error
        ray.init(num_cpus=parallel, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    if threading.current_thread() is threading.main_thread():
        # Ray puts a handler of its own in its place, which ends the process with a dump of the stack.
        signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield ray
    finally:
        ray.shutdown()


def _check(address: str) -> None:
    """Refuse an address at which nobody listens: Ray itself tries for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"{address}: no Ray cluster answers at this address ({error})") from error


def _result(ray: ModuleType, reference: object) -> PackedShard:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        reason = type(error).__name__
        raise DataError(f"Ray lost the machines of a shard {_RETRIES + 1} times ({reason}); run the command again to go on") from error


def _pack(job: ShardJob, has_note: bool) -> PackedShard:
    return pack_shard(job, lambda *_: None, has_note=has_note)
