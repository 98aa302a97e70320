"""`tools/benchmark NAME`."""

from typing import Annotated

import tyro

from engine.benchmark.features.benchmark import FeaturesBenchmark, benchmark_features
from engine.benchmark.gpu.benchmark import GpuBenchmark, benchmark_gpu
from engine.benchmark.index import IndexBenchmark, benchmark_index
from engine.benchmark.loader.benchmark import benchmark_loader
from engine.benchmark.loader.options import LoaderBenchmark
from engine.benchmark.pack import PackBenchmark, benchmark_pack
from engine.benchmark.step import StepBenchmark, benchmark_step
from shards import command

Benchmark = (
    Annotated[PackBenchmark, tyro.conf.subcommand("pack", prefix_name=False)]
    | Annotated[IndexBenchmark, tyro.conf.subcommand("index", prefix_name=False)]
    | Annotated[LoaderBenchmark, tyro.conf.subcommand("loader", prefix_name=False)]
    | Annotated[FeaturesBenchmark, tyro.conf.subcommand("features", prefix_name=False)]
    | Annotated[StepBenchmark, tyro.conf.subcommand("step", prefix_name=False)]
    | Annotated[GpuBenchmark, tyro.conf.subcommand("gpu", prefix_name=False)]
)


def main() -> None:
    """Run the benchmark that the first argument names."""
    command.run(Benchmark, run_benchmark)


def run_benchmark(options: Benchmark) -> None:
    """Run the benchmark that the options are of."""
    match options:
        case PackBenchmark():
            benchmark_pack(options)
        case IndexBenchmark():
            benchmark_index(options)
        case LoaderBenchmark():
            benchmark_loader(options)
        case FeaturesBenchmark():
            benchmark_features(options)
        case StepBenchmark():
            benchmark_step(options)
        case GpuBenchmark():
            benchmark_gpu(options)
