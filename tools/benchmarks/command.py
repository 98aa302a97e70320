"""`tools/benchmark NAME`."""

from typing import Annotated

import tyro

from shards import command
from tools.benchmarks.features.benchmark import FeaturesBenchmark, benchmark_features
from tools.benchmarks.gpu.benchmark import GpuBenchmark, benchmark_gpu
from tools.benchmarks.index import IndexBenchmark, benchmark_index
from tools.benchmarks.loader.benchmark import benchmark_loader
from tools.benchmarks.loader.options import LoaderBenchmark
from tools.benchmarks.pack import PackBenchmark, benchmark_pack
from tools.benchmarks.step import StepBenchmark, benchmark_step

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
