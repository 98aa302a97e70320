"""`tools/benchmark loader`: shuffled epochs, decoded, resized and normalised, beside other loaders."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from shards.errors import DataError
from shards.faces.layout import IMAGE_FOLDER
from tools.benchmarks.loader.contenders import CONTENDERS, DECODING, READING, Contender, why_absent
from tools.benchmarks.loader.data import convert_for_litdata, drawn_and_packed, packed_many, warm
from tools.benchmarks.loader.many import Many, measure_many
from tools.benchmarks.loader.options import LoaderBenchmark
from tools.benchmarks.loader.report import Report, print_report
from tools.benchmarks.loader.rounds import Rounds, run_rounds
from tools.benchmarks.loader.score import scores
from tools.benchmarks.loader.work import Work
from tools.benchmarks.result import write_result
from tools.benchmarks.trial import TrialError

_PACKAGES = ("torch", "torchvision", "pillow", "nvidia-dali-cuda130", "nvidia-dali-cuda120", "litdata", "spdl")


def benchmark_loader(options: LoaderBenchmark) -> None:
    """Measure, print a table and write the figures.

    Raises:
        DataError: A contender failed; the others' figures are printed and written all the same.
    """
    load_before = os.getloadavg()[0]
    chosen = [contender for contender in CONTENDERS if contender.name in options.contenders]
    absent = {contender: reason for contender in chosen if (reason := why_absent(contender)) is not None}
    work = _work(options)
    with Console(stderr=True).status("") as status:
        rounds = _rounds([contender for contender in chosen if contender not in absent], work, options.repeats, status.update)
        many = _many(options, work, status.update)
    report = Report(
        work=work,
        options=options,
        load_before=load_before,
        scores=scores(rounds.trials),
        absent=absent,
        failures=rounds.failures,
        many=many,
    )
    print_report(report)
    write_result(options.json or options.folder / "loader.json", _figures(report), _PACKAGES)
    if rounds.failures:
        names = ", ".join(contender.title for contender in rounds.failures)
        raise DataError(f"failed: {names}; what they wrote stands above the table")


def _work(options: LoaderBenchmark) -> Work:
    options.folder.mkdir(parents=True, exist_ok=True)
    faces, shards = drawn_and_packed(options.folder, options.num_images, options.num_threads())
    return Work(
        faces=str(faces),
        shards=str(shards),
        litdata=str(shards.with_name(shards.name.replace("shards", "litdata"))),
        threads=options.num_threads(),
        batch_size=options.batch_size,
        image_size=options.image_size,
        warmup_batches=options.warmup_batches,
        batches=options.batches,
        seconds=options.seconds,
    )


def _rounds(present: Sequence[Contender], work: Work, repeats: int, tell: Callable[[str], None]) -> Rounds:
    failures: dict[Contender, str] = {}
    for contender in present:
        if contender.package == "litdata":
            try:
                convert_for_litdata(work)
            except TrialError as error:
                failures[contender] = error.reason
    warm(*(folder for folder in (Path(work.faces) / IMAGE_FOLDER, Path(work.shards), Path(work.litdata)) if folder.exists()))
    ready = [contender for contender in present if contender not in failures]
    rounds = run_rounds([*ready, DECODING, READING], work, repeats, tell)
    return dataclasses.replace(rounds, failures=failures | rounds.failures)


def _many(options: LoaderBenchmark, work: Work, tell: Callable[[str], None]) -> Many | None:
    if options.large_images <= 1:
        return None
    tell(f"packing {options.large_images:,} images")
    shards = packed_many(options.folder, Path(work.faces), options.large_images)
    warm(shards)
    return measure_many(work, shards, options.large_images, options.repeats, tell)


def _figures(report: Report) -> Mapping[str, object]:
    """Return what the file of figures holds: null for who is absent, the reason for who has failed."""
    results: dict[str, object] = {contender.name: dataclasses.asdict(score) for contender, score in report.scores.items()}
    results |= {contender.name: None for contender in report.absent}
    results |= {contender.name: {"failed": reason} for contender, reason in report.failures.items()}
    settings = ("num_images", "batch_size", "image_size", "repeats", "batches", "seconds", "warmup_batches")
    return {
        **{name: getattr(report.options, name) for name in settings},
        "threads": report.work.threads,
        "load_before": report.load_before,
        "contenders": {contender.name: results[contender.name] for contender in CONTENDERS if contender.name in results},
        "decoding": results.get(DECODING.name),
        "order_source_crc": results.get(READING.name),
        "many": report.many and dataclasses.asdict(report.many),
    }
