"""Which images of a batch DALI cannot decode: its error names none."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from nvidia.dali.tensors import TensorCPU, TensorListCPU
from nvidia.dali.types import BatchInfo

from engine.pipeline.graph import Graph, GraphInput, GraphOptions
from shards.image.check import check_image
from shards.image.header import BadImageError


def find_failures(images: Sequence[NDArray[np.uint8]], options: GraphOptions) -> Iterator[tuple[int, str]]:
    """Decode images one by one, as the loader does, and yield the place of each that fails and why, to follow its key in a sentence.

    Args:
        images: JPEG bytes.
        options: The loader's.
    """
    alone = dataclasses.replace(options, batch_size=1, prefetch=1, num_threads=1, finish=False, colours=False)
    begin = 0
    while begin < len(images):
        # A pipeline is not usable after an error.
        graph = Graph(_one_by_one(images[begin:]), alone)
        for place in range(begin, len(images)):
            try:
                graph.run()
            except RuntimeError as error:
                yield place, _reason(images[place], error)
                begin = place + 1
                break
        else:
            return


def _one_by_one(images: Sequence[NDArray[np.uint8]]) -> Callable[[BatchInfo], GraphInput]:
    """Return a source of batches of one; it goes on with the last image, for the graph asks ahead."""

    def source(info: BatchInfo) -> GraphInput:
        return (TensorListCPU([TensorCPU(images[min(info.iteration, len(images) - 1)])]),)

    return source


def in_one_line(error: Exception) -> str:
    """Return an error's message without line breaks."""
    return " ".join(line.strip() for line in str(error).splitlines() if line.strip())


def _reason(image: NDArray[np.uint8], error: RuntimeError) -> str:
    try:
        check_image(image.tobytes(), decode=True)
    except BadImageError as reason:
        return f"cannot be decoded: {reason}"
    return f"cannot be decoded ({in_one_line(error)})"
