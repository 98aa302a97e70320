"""`tools/make_shards`: annotations and images in; tars, index and manifest out."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial

from shards import command
from shards.cores import usable_cores
from shards.errors import Interrupted
from shards.packing import output
from shards.packing.finished import describe_finished
from shards.packing.inputs import absolute
from shards.packing.job import Advance, PackedShard, ShardJob
from shards.packing.options import PackOptions
from shards.packing.plan import ShardPlan, expected_sizes, plan_shards
from shards.packing.progress import Progress
from shards.packing.runner import local, pool
from shards.packing.source import Source, read_source
from shards.packing.summary import print_summary
from shards.storage.folder import Folder
from shards.storage.opening import lock, open_folder

_USUAL = {
    "input": "images",
    "image_dir": "images",
    "img_dir": "images",
    "image_folder": "images",
    "data": "images",
    "csv": "attributes",
    "labels": "attributes",
    "annotations": "attributes",
    "table": "attributes",
    "label": "columns",
    "label_columns": "columns",
    "tasks": "columns",
    "key": "key-column",
    "image_column": "key-column",
    "split": "partition",
    "splits": "partition",
    "split_column": "partition column=NAME",
    "output": "out",
    "output_dir": "out",
    "out_dir": "out",
    "num_workers": "workers",
    "num_shards": "shards",
    "group": "group-column",
    "na_values": "values",
    "skip_bad": "on-bad-image quarantine",
}
"""What other programs call an option -> what to write here."""


def main() -> None:
    """Run the command line."""
    command.run(PackOptions, make_shards, _USUAL)


def make_shards(options: PackOptions) -> None:
    """Pack a data set and print what came of it.

    Raises:
        ConfigurationError: The output folder holds something else, or another process is packing into it.
        DataError: An input is missing, damaged or inconsistent. The output then has no manifest: it is not a data set.
        Interrupted: A signal stopped it; the same command goes on where it was.
    """
    if options.dry_run:
        # Not above: packing needs nothing of it.
        from shards.packing.preview import preview

        preview(options)
        return
    started = time.perf_counter()
    out = open_folder(options.out)
    output.check_free(out)
    with Progress() as progress, _stoppable(progress):
        if options.runner == "local" and _workers(options) > 1:
            pool.warm_up(local.__name__)
        source = read_source(options, progress.listed)
        plans = plan_shards(
            source.keys, source.splits, expected_sizes(source.sizes, options.resize), shards_per_split=options.shards, seed=options.seed
        )
        with lock(options.out):
            if finished := describe_finished(out, options, source, plans):
                print(command.one_line(finished))
                return
            noted = output.prepare(out, plans, resume=options.resume)
            progress.begin(len(plans), len(source.keys))
            jobs = ((_job(options, source, plan), plan.name in noted) for plan in plans)
            packed: dict[str, PackedShard] = {}
            # Closed at once when interrupted: the workers end before what they left is swept.
            with _swept(out), closing(_runner(options, len(plans))(jobs, progress.advance)) as shards:
                for shard in shards:
                    packed[shard.facts.name] = shard
                    kept_images = shard.facts.samples + len(shard.bad) if shard.resumed else 0
                    progress.finish_shard(kept_images=kept_images, kept_bytes=shard.image_bytes if shard.resumed else 0)
            seconds = time.perf_counter() - started
            summary = output.finish(out, options, source, plans, [packed[plan.name] for plan in plans], seconds)
    print_summary(options.out, summary)


@contextmanager
def _swept(out: Folder) -> Iterator[None]:
    try:
        yield
    except BaseException:
        output.sweep(out)
        raise


def _runner(options: PackOptions, num_shards: int) -> Callable[[local.Jobs, Advance], Generator[PackedShard]]:
    if options.runner == "ray":
        # Imported here: Ray is an optional extra.
        from shards.packing.runner.ray import run_on_ray

        return partial(run_on_ray, parallel=options.workers, address=options.address)
    workers = min(_workers(options), num_shards)
    return local.run_here if workers == 1 else partial(local.run_in_processes, workers=workers)


def _workers(options: PackOptions) -> int:
    return options.workers or usable_cores()


def _job(options: PackOptions, source: Source, plan: ShardPlan) -> ShardJob:
    return ShardJob(
        name=plan.name,
        # A worker on another machine, or in another folder, must find them too.
        images=absolute(options.images),
        out=absolute(options.out),
        files=source.files[plan.rows],
        keys=source.keys[plan.rows],
        labels=source.labels[plan.rows],
        sizes=source.sizes[plan.rows],
        versions=source.versions[plan.rows],
        check=options.check,
        resized=options.resized(),
        quarantine=options.on_bad_image == "quarantine",
    )


@contextmanager
def _stoppable(progress: Progress) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(f"stopped with {progress.num_finished} shards finished; the same command goes on from there") from error
