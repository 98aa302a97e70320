"""order -> bytes -> DALI graph -> images: the backend that runs are trained with."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from nvidia.dali.types import BatchInfo
from torch import Tensor

from engine.pipeline.advice import Advice
from engine.pipeline.augmentation import Variation
from engine.pipeline.decode_failure import find_failures, in_one_line
from engine.pipeline.finisher import Finisher
from engine.pipeline.graph import Graph, GraphInput, GraphOptions, graph_input
from engine.pipeline.loader import Loader
from engine.pipeline.plan import Part, Plan
from engine.pipeline.read_ahead import ReadAhead
from engine.pipeline.source import ByteSource, Encoded
from shards.errors import DataError

READ_STEPS = 4
"""How many batches are read into memory before DALI asks for them."""
_HINT_SAMPLES = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    """A batch that has been read."""

    part: Part
    encoded: Encoded


class DaliLoader(Loader):
    """Decodes with DALI, on the GPU where the batches are wanted there, else on the CPU."""

    def __init__(self, plan: Plan) -> None:
        """Begin before the first batch of epoch 0; see `Loader`."""
        super().__init__(plan)
        device, config = plan.place.device, plan.config
        device_id = None if device.type == "cpu" else device.index or 0
        decode_on_gpu = device_id is not None and config.decoder != "cpu"
        self._options = GraphOptions(
            batch_size=plan.num_images(),
            num_threads=config.threads_per_process(),
            prefetch=config.prefetch,
            device_id=device_id,
            decode_on_gpu=decode_on_gpu,
            finish=device_id is not None,
            size=config.size(),
            crop=plan.augment.crop is not None,
            colours=plan.augment.changes_colour(),
            half=config.dtype == "float16",
            channels_last=plan.channels_last,
            hw_decoder_load=config.hw_decoder_load,
            largest=_largest(plan) if decode_on_gpu else (0, 0),
        )

    def _start(self, number: int) -> None:
        plan = self._plan
        self._source = ByteSource(plan.dataset, check_crc=plan.config.check_crc, bad_samples=self.bad_samples)
        self._resources.callback(self._source.close)
        self._in_flight: deque[_Ready] = deque()
        self._advice = Advice(plan, self._source)
        self._ahead = ReadAhead(self._read, first=number, depth=READ_STEPS)
        self._resources.callback(self._ahead.close)
        self._finish: Callable[[Tensor | list[Tensor], Variation], Tensor] = _as_it_is
        if not self._options.finish:
            self._finish = finisher = Finisher(
                batch_size=self._options.batch_size,
                size=plan.size(),
                dtype=plan.dtype(),
                channels_last=plan.channels_last,
                num_threads=self._options.num_threads,
            )
            self._resources.callback(finisher.close)
        self._graph = Graph(self._feed, self._options)
        self._resources.callback(self._graph.close)

    def _next_images(self) -> tuple[Tensor, list[int]]:
        try:
            output = self._graph.run()
        except RuntimeError as error:
            self._note_failures(error)
            # The samples that DALI choked on are known now, and left out.
            self._resources.close()
            self._start(self._number)
            output = self._graph.run()
        ready = self._in_flight.popleft()
        return self._finish(output, ready.part.variation), ready.encoded.bad

    def _read(self, number: int) -> _Ready:
        """Read a batch; the read-ahead's thread calls this."""
        self._advice.give(number)
        part = self._plan.part(number)
        return _Ready(part=part, encoded=self._source.read(part.ids))

    def _feed(self, _: BatchInfo) -> GraphInput:
        """Return the next batch's bytes; DALI calls this ahead of time, in the order of the batches."""
        ready = self._ahead.take()
        self._in_flight.append(ready)
        return graph_input(ready.encoded.images, ready.part.variation, self._options)

    def _note_failures(self, error: RuntimeError) -> None:
        """Find the samples that cannot be decoded among the batches in flight, for DALI names none.

        Raises:
            DataError: There is none, or no more may be skipped.
        """
        found = False
        for ready in self._in_flight:
            for place, reason in find_failures(ready.encoded.images, self._options):
                self.bad_samples.add(int(ready.part.ids[place]), reason, error)
                found = True
        if not found:
            folder = self._plan.dataset.folder
            raise DataError(f"{folder}: DALI failed, but every image that it had was decoded alone ({in_one_line(error)})") from error


def _as_it_is(images: Tensor | list[Tensor], _: Variation) -> Tensor:
    """Return a batch that the graph has finished."""
    return images if isinstance(images, Tensor) else torch.stack(images)


def _largest(plan: Plan) -> tuple[int, int]:
    """Return the greatest height and width among the first samples."""
    rows = plan.dataset.index[np.asarray(plan.order.ids[:_HINT_SAMPLES])]
    return int(rows["height"].max()), int(rows["width"].max())
