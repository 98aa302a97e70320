"""The DALI graph: encoded JPEGs in, images out. One function for CPU and GPU.

On a GPU the graph does everything. On a CPU it ends with the decoded images, and `Finisher` resizes and normalises them: DALI's own
resize takes longer there than all the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from nvidia.dali import Pipeline, fn, types
from nvidia.dali.tensors import TensorCPU, TensorListCPU
from torch import Tensor

from engine.pipeline.augmentation import Variation
from engine.pipeline.imagenet import MEAN, STD


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphOptions:
    """What the graph computes and with what."""

    batch_size: int
    """Images per run of the graph."""
    num_threads: int
    """DALI's CPU threads."""
    prefetch: int
    """Batches DALI keeps ready."""
    device_id: int | None
    """CUDA device; None decodes on the CPU and needs no driver."""
    decode_on_gpu: bool
    """Decode with nvJPEG and the hardware decoder instead of the CPU."""
    finish: bool
    """Resize, mirror and normalise; off: the output is the decoded images."""
    size: tuple[int, int] | None
    """Height and width of the output in pixels; None keeps those of the images."""
    crop: bool
    """Keep a piece of each image only."""
    colours: bool
    """Vary the colours."""
    half: bool = False
    """float16 instead of float32."""
    channels_last: bool = False
    """Memory format of the finished images."""
    hw_decoder_load: float = 0.65
    """Share of the images for the hardware decoder."""
    largest: tuple[int, int] = (0, 0)
    """Height and width that memory is set aside for before the first image; 0 for none. GPU decoding only."""


GraphInput = tuple[TensorListCPU | NDArray[Any], ...]


def graph_input(images: Sequence[NDArray[np.uint8]], variation: Variation, options: GraphOptions) -> GraphInput:
    """Return what the graph's source has to hand over for a batch: the JPEGs, then what the options ask for."""
    # Wrapped here, where the read-ahead's thread does it: DALI would wrap one array after the other in the thread that trains.
    values: list[TensorListCPU | NDArray[Any]] = [TensorListCPU([TensorCPU(image) for image in images])]
    if options.colours and variation.colours is not None:
        colours = variation.colours
        values += [colours.brightness, colours.contrast, colours.saturation, colours.hue]
    if options.finish:
        values.append(variation.mirror)
        if options.crop and variation.boxes is not None:
            values += [variation.boxes[:, :2].astype(np.float32), variation.boxes[:, 2:].astype(np.float32)]
    return tuple(values)


class Graph:
    """The running pipeline `decode -> colours -> crop and resize -> mirror and normalise`."""

    def __init__(self, source: Callable[[types.BatchInfo], GraphInput], options: GraphOptions) -> None:
        """Build it; it begins to work at the first `run`.

        Args:
            source: Returns `graph_input` of the next batch.
            options: What to compute.
        """
        self._pipeline: Pipeline | None = _build(source, options)
        self._options = options

    def run(self) -> Tensor | list[Tensor]:
        """Return the next batch, on the device, without a copy.

        Returns:
            [batch, 3, height, width]; with `finish` off uint8 [batch, height, width, 3], or a list of [height, width, 3] where the images
            differ in size.

        Raises:
            RuntimeError: An image cannot be decoded; the graph cannot be used any more.
        """
        if self._pipeline is None:
            raise ValueError("the graph is closed")
        device_id = self._options.device_id
        # On a GPU the outputs are ordered on torch's stream: nobody waits on the host.
        (images,) = self._pipeline.run(None if device_id is None else torch.cuda.current_stream(device_id))
        if not images.is_dense_tensor():
            return [torch.from_dlpack(image) for image in images]
        batch = torch.from_dlpack(images.as_tensor())
        return batch.permute(0, 3, 1, 2) if self._options.finish and self._options.channels_last else batch

    def close(self) -> None:
        """End DALI's threads. DALI's pipelines have no public close: they end when the last reference goes."""
        self._pipeline = None


def _build(source: Callable[[types.BatchInfo], GraphInput], options: GraphOptions) -> Pipeline:
    pipeline = Pipeline(
        batch_size=options.batch_size,
        num_threads=options.num_threads,
        device_id=options.device_id,
        prefetch_queue_depth=options.prefetch,
        exec_dynamic=True,
    )
    with pipeline:
        num_inputs = 1 + 4 * options.colours + options.finish * (1 + 2 * options.crop)
        encoded, *rest = fn.external_source(source=source, num_outputs=num_inputs, batch=True, batch_info=True)
        images = _decode(encoded, options)
        if options.colours:
            brightness, contrast, saturation, hue = rest[:4]
            images = fn.color_twist(images, brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
        pipeline.set_outputs(_finish(images, rest[4 * options.colours :], options) if options.finish else images)
    pipeline.build()
    return pipeline


def _decode(encoded: Any, options: GraphOptions) -> Any:  # noqa: ANN401 (a node of DALI's graph)
    height, width = options.largest
    hints: dict[str, Any] = {
        "hw_decoder_load": options.hw_decoder_load,
        "preallocate_height_hint": height,
        "preallocate_width_hint": width,
    }
    images = fn.decoders.image(
        encoded,
        device="mixed" if options.decode_on_gpu else "cpu",
        output_type=types.DALIImageType.RGB,
        # Upright, as the index counts width and height; it is the default, and what the packing check relies on.
        adjust_orientation=True,
        **(hints if options.decode_on_gpu else {}),
    )
    return images if options.device_id is None else images.gpu()


def _finish(images: Any, inputs: list[Any], options: GraphOptions) -> Any:  # noqa: ANN401 (nodes of DALI's graph)
    mirror, *box = inputs
    if options.size is not None:
        piece = {"roi_start": box[0], "roi_end": box[1]} if options.crop else {}
        images = fn.resize(images, size=list(options.size), interp_type=types.DALIInterpType.INTERP_LINEAR, **piece)
    return fn.crop_mirror_normalize(
        images,
        mirror=mirror,
        dtype=types.DALIDataType.FLOAT16 if options.half else types.DALIDataType.FLOAT,
        output_layout="HWC" if options.channels_last else "CHW",
        mean=list(MEAN),
        std=list(STD),
    )
