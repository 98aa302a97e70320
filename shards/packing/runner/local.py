"""Packing on the cores of this machine."""

from collections.abc import Generator, Iterable

from shards.packing.job import Advance, PackedShard, ShardJob, pack_shard
from shards.packing.runner.pool import in_processes

Jobs = Iterable[tuple[ShardJob, bool]]


def run_here(jobs: Jobs, advance: Advance) -> Generator[PackedShard]:
    """Pack one shard after the other in this process.

    Args:
        jobs: Each job, and whether an earlier packing left a note of it.
        advance: Told of the progress.
    """
    for job in jobs:
        yield _pack(job, advance)


def run_in_processes(jobs: Jobs, advance: Advance, *, workers: int) -> Generator[PackedShard]:
    """Pack several shards at a time, each in a process of its own, and yield the results as they come.

    Args:
        jobs: Each job, and whether an earlier packing left a note of it. Taken lazily, a few ahead of the work.
        advance: Told of the progress.
        workers: Number of processes.

    Raises:
        DataError: A job failed, or a process was killed. The other jobs are abandoned.
    """
    return in_processes(_pack, jobs, advance, workers=workers, what="packing")


def _pack(job: tuple[ShardJob, bool], advance: Advance) -> PackedShard:
    return pack_shard(job[0], advance, has_note=job[1])
