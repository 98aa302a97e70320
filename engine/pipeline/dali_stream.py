"""order -> bytes -> DALI graph -> batch: the backend that runs are trained with."""

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from nvidia.dali.types import BatchInfo
from torch import Tensor

from engine.pipeline.advice import Advice
from engine.pipeline.augmentation import Variation
from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.batch import Batch
from engine.pipeline.decode_failure import find_failures, in_one_line
from engine.pipeline.finisher import Finisher
from engine.pipeline.graph import Graph, GraphInput, GraphOptions, graph_input
from engine.pipeline.loading_plan import LoadingPlan, Share
from engine.pipeline.read_ahead import ReadAhead
from engine.pipeline.source import ByteSource, Encoded
from shards.errors import DataError

READ_STEPS = 4
"""How many batches are read into memory before DALI asks for them."""
_HINT_SAMPLES = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    """A batch that has been read."""

    part: Share
    encoded: Encoded
    graph_input: GraphInput


class DaliStream:
    """Decodes with DALI, on the GPU where the batches are wanted there, else on the CPU."""

    def __init__(self, plan: LoadingPlan, bad_samples: BadSamples, number: int) -> None:
        """Start the threads.

        Args:
            plan: What to load.
            bad_samples: Takes note of damaged samples.
            number: First batch, counted from the first of epoch 0.

        Raises:
            DataError: DALI cannot be started.
        """
        self._plan = plan
        self._bad_samples = bad_samples
        self._options = graph_options(plan)
        self._in_flight: deque[_Ready] = deque()
        self._resources = ExitStack()
        self._start(number)

    def next(self) -> Batch:
        """Return the next batch.

        Raises:
            DataError: A sample is damaged; the message names shard and key.
        """
        images = self._run_graph()
        ready = self._in_flight.popleft()
        self._number += 1
        return self._plan.batch(ready.part, self._finish(images, ready.part.variation), ready.encoded.bad)

    def close(self) -> None:
        """End DALI's threads and ours, and close the shards."""
        self._resources.close()
        self._in_flight.clear()

    def _start(self, number: int) -> None:
        plan, self._number = self._plan, number
        with ExitStack() as started:
            self._source = ByteSource(plan.dataset, check_crc=plan.config.check_crc, bad_samples=self._bad_samples)
            started.callback(self._source.close)
            self._advice = Advice(plan, self._source, number)
            self._ahead = ReadAhead(self._read, first=number, depth=READ_STEPS)
            started.callback(self._ahead.close)
            self._finish: Callable[[Tensor | list[Tensor], Variation], Tensor] = _as_it_is
            if not self._options.finish:
                self._finish = finisher = Finisher(
                    batch_size=self._options.batch_size,
                    size=plan.size(),
                    dtype=plan.dtype(),
                    channels_last=plan.channels_last,
                    num_threads=self._options.num_threads,
                )
                started.callback(finisher.close)
            try:
                self._graph = Graph(self._feed, self._options)
            except RuntimeError as error:
                raise DataError(f"DALI cannot be started ({in_one_line(error)})") from error
            started.callback(self._graph.close)
            self._resources = started.pop_all()

    def _run_graph(self) -> Tensor | list[Tensor]:
        while True:
            try:
                return self._graph.run()
            except RuntimeError as error:
                self._note_failures(error)
                # The samples that DALI choked on are known now, and left out.
                self.close()
                self._start(self._number)

    def _read(self, number: int) -> _Ready:
        """Read a batch; the read-ahead's thread calls this, so that the thread that trains finds everything made."""
        part = self._plan.share(number)
        encoded = self._source.read(part.ids, part.num_valid)
        self._advice.give(number)
        if encoded.bad and part.variation.colours is not None:
            # Black stays black.
            part = replace(part, variation=replace(part.variation, colours=part.variation.colours.neutral_at(encoded.bad)))
        return _Ready(part=part, encoded=encoded, graph_input=graph_input(encoded.images, part.variation, self._options))

    def _feed(self, _: BatchInfo) -> GraphInput:
        """Return the next batch's bytes; DALI calls this ahead of time, in the order of the batches."""
        ready = self._ahead.take()
        self._in_flight.append(ready)
        return ready.graph_input

    def _note_failures(self, error: RuntimeError) -> None:
        """Find the samples that cannot be decoded among the batches in flight, for DALI names none.

        Raises:
            DataError: There is none, or no more may be skipped.
        """
        found = False
        for ready in self._in_flight:
            for place, reason in find_failures(ready.encoded.images[: ready.part.num_valid], self._options):
                self._bad_samples.add(int(ready.part.ids[place]), reason, error)
                found = True
        if not found:
            folder = self._plan.dataset.folder
            raise DataError(f"{folder}: DALI failed, but every image that it had was decoded alone ({in_one_line(error)})") from error


def graph_options(plan: LoadingPlan) -> GraphOptions:
    """Return what the graph has to do for a plan."""
    device, config = plan.place.device, plan.config
    device_id = None if device.type == "cpu" else device.index or 0
    return GraphOptions(
        batch_size=plan.num_images(),
        num_threads=config.threads_per_process(),
        prefetch=config.prefetch,
        device_id=device_id,
        decode_on_gpu=plan.decodes_on_gpu(),
        finish=device_id is not None,
        size=config.size(),
        crop=plan.augment.crop is not None,
        colours=plan.augment.changes_colour(),
        half=config.dtype == "float16",
        channels_last=plan.channels_last,
        hw_decoder_load=config.hw_decoder_load,
        largest=_largest(plan) if plan.decodes_on_gpu() else (0, 0),
    )


def _largest(plan: LoadingPlan) -> tuple[int, int]:
    """Return the greatest height and width among the first samples."""
    rows = plan.dataset.index[np.asarray(plan.order.ids[:_HINT_SAMPLES])]
    return int(rows["height"].max()), int(rows["width"].max())


def _as_it_is(images: Tensor | list[Tensor], _: Variation) -> Tensor:
    """Return a batch that the graph has finished."""
    if isinstance(images, Tensor):
        return images
    sizes = sorted({f"{image.shape[-1]} x {image.shape[-2]}" for image in images})
    raise DataError(f"a batch has images of {' and '.join(sizes)} pixels, but the index has one size only; set pipeline.check_crc")
