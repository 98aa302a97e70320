"""`tools/benchmark NAME`."""

from typing import Annotated

import tyro

from engine.benchmark.index import IndexBenchmark, benchmark_index
from engine.benchmark.loader.benchmark import benchmark_loader
from engine.benchmark.loader.options import LoaderBenchmark
from engine.benchmark.pack import PackBenchmark, benchmark_pack
from shards import command

Benchmark = (
    Annotated[PackBenchmark, tyro.conf.subcommand("pack", prefix_name=False)]
    | Annotated[IndexBenchmark, tyro.conf.subcommand("index", prefix_name=False)]
    | Annotated[LoaderBenchmark, tyro.conf.subcommand("loader", prefix_name=False)]
)


def main() -> None:
    """Run the benchmark that the first argument names."""
    command.run(Benchmark, run_benchmark)


def run_benchmark(options: PackBenchmark | IndexBenchmark | LoaderBenchmark) -> None:
    """Run the benchmark that the options are of."""
    if isinstance(options, PackBenchmark):
        benchmark_pack(options)
    elif isinstance(options, IndexBenchmark):
        benchmark_index(options)
    else:
        benchmark_loader(options)
