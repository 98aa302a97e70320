"""order -> bytes -> DALI graph -> `Batch`."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from nvidia.dali.types import BatchInfo

from engine.chance import generator
from engine.config import PipelineConfig
from engine.pipeline.batch import Batch, send
from engine.pipeline.graph import EncodedBatch, GraphOptions, build_graph
from engine.pipeline.order import Order, Slice
from engine.pipeline.source import ByteSource
from shards.annotations import NOT_LABELLED
from shards.dataset import ShardDataset
from shards.errors import DataError
from shards.jpeg import BadImageError, check_jpeg

READ_AHEAD_STEPS = 16
"""How many batches before its turn a batch's bytes are asked of the kernel: a second or so of training."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a loader works: its share of the global batch, and the device its batches are wanted on."""

    rank: int
    """0 to world_size - 1."""
    world_size: int
    """Number of ranks that share each global batch."""
    device: torch.device
    """Device of the batches."""


class Loader:
    """An endless stream of batches: epoch after epoch from where it was told to start, without a stall between epochs."""

    def __init__(
        self,
        dataset: ShardDataset,
        order: Order,
        columns: NDArray[np.int64],
        config: PipelineConfig,
        place: Place,
        start: tuple[int, int] = (0, 0),
    ) -> None:
        """Build the DALI pipeline; it fills its queue at the first `next`.

        Args:
            dataset: The data set.
            order: The global batches.
            columns: [T] label columns of the tasks.
            config: Pipeline settings.
            place: Rank and device.
            start: Epoch and step of the first batch.
        """
        self.order = order
        self._dataset = dataset
        self._config = config
        self._place = place
        self._source = ByteSource(dataset, check_crc=config.check_crc)
        self._first = start[0] * order.steps_per_epoch + start[1]
        self._num_delivered = 0
        self._labels = np.ascontiguousarray(dataset.labels[order.ids.start : order.ids.stop][:, columns])
        device_id = None if place.device.type == "cpu" else place.device.index or 0
        self._graph = build_graph(
            self._encoded_batch,
            GraphOptions(
                batch_size=order.batch_size // place.world_size,
                image_size=config.image_size,
                num_threads=config.threads_per_process(),
                prefetch=config.prefetch,
                device_id=device_id,
                decode_on_gpu=device_id is not None and config.decoder != "cpu",
            ),
        )

    def __enter__(self) -> "Loader":
        """Return itself; the exit closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __iter__(self) -> "Loader":
        """Return itself."""
        return self

    def __next__(self) -> Batch:
        """Return the next batch of the stream.

        Raises:
            DataError: A sample is damaged; the message names shard and key.
        """
        number = self._first + self._num_delivered
        images = self._run_graph()
        epoch, step = divmod(number, self.order.steps_per_epoch)
        part = self._slice(epoch, step)
        self._num_delivered += 1
        labels = self._labels[part.ids - self.order.ids.start]
        labels[part.num_valid :] = NOT_LABELLED
        num_labelled = (self._labels[self.order.batch(epoch, step) - self.order.ids.start] >= 0).sum(0, dtype=np.float32)
        return Batch(
            images=images,
            labels=send(labels, self._place.device),
            ids=torch.from_numpy(part.ids),
            num_valid=part.num_valid,
            num_labelled=send(num_labelled, self._place.device),
        )

    def close(self) -> None:
        """Stop DALI's threads and close the shards. The loader cannot be used afterwards."""
        # DALI's pipelines have no public close: they end when the last reference goes.
        del self._graph
        self._source.close()

    def _run_graph(self) -> torch.Tensor:
        try:
            if self._place.device.type == "cpu":
                (images,) = self._graph.run()
            else:
                # The outputs are ordered on torch's stream: nobody waits on the host.
                (images,) = self._graph.run(torch.cuda.current_stream(self._place.device))
        except RuntimeError as error:
            raise self._explain(error) from error
        return torch.from_dlpack(images.as_tensor())

    def _encoded_batch(self, info: BatchInfo) -> EncodedBatch:
        """Return the bytes of the next batch; DALI calls this ahead of time, so its position is not the loop's."""
        number = self._first + info.iteration
        if info.iteration == 0:
            for ahead in range(READ_AHEAD_STEPS):
                self._source.advise(self._slice(*divmod(number + ahead, self.order.steps_per_epoch)).ids)
        self._source.advise(self._slice(*divmod(number + READ_AHEAD_STEPS, self.order.steps_per_epoch)).ids)
        epoch, step = divmod(number, self.order.steps_per_epoch)
        return self._source.read(self._slice(epoch, step).ids), self._mirror_flags(epoch, step)

    def _slice(self, epoch: int, step: int) -> Slice:
        return self.order.rank_slice(epoch, step, self._place.rank, self._place.world_size)

    def _mirror_flags(self, epoch: int, step: int) -> NDArray[np.int32]:
        length = self.order.batch_size // self._place.world_size
        if not self._config.mirror:
            return np.zeros(length, np.int32)
        # Drawn for the whole global batch, so that they do not depend on how many ranks share it.
        flags = generator(self.order.seed, "mirror", epoch, step).integers(0, 2, self.order.batch_size, dtype=np.int32)
        return flags[self._place.rank * length : (self._place.rank + 1) * length]

    def _explain(self, error: RuntimeError) -> DataError:
        """Return DALI's error as ours: it names no sample, so look for the one that does not decode among the batches in flight."""
        first = self._first + self._num_delivered
        for number in range(first, first + self._config.prefetch + 2):
            ids = self._slice(*divmod(number, self.order.steps_per_epoch)).ids
            for sample_id, data in zip(ids.tolist(), self._source.read(ids), strict=True):
                try:
                    check_jpeg(data.tobytes(), decode=True)
                except BadImageError as reason:
                    shard = self._dataset.shard_path(int(self._dataset.index[sample_id]["shard"]))
                    return DataError(f"{shard}: image {self._dataset.key(sample_id)!r}: {reason}")
        lines = [line for line in str(error).splitlines() if line.strip()]
        return DataError(
            f"{self._dataset.folder}: DALI failed while decoding ({' '.join(lines)}); tools/make_shards checks every image anew"
        )
