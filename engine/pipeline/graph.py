"""The DALI graph: encoded JPEGs in, normalised images out. One function for CPU and GPU."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from nvidia.dali import Pipeline, fn, types

# ImageNet's statistics, of 0 to 255, as torchvision's VGG weights expect.
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


EncodedBatch = tuple[Sequence[NDArray[np.uint8]], NDArray[np.int32]]
"""JPEG bytes of each sample, and [batch] flags: 1 to mirror the image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphOptions:
    """What the graph computes and with what."""

    batch_size: int
    """Images per run of the graph."""
    image_size: int
    """Height and width of the output in pixels."""
    num_threads: int
    """DALI's CPU threads."""
    prefetch: int
    """Batches DALI keeps ready."""
    device_id: int | None
    """CUDA device; None decodes on the CPU and needs no driver."""
    decode_on_gpu: bool
    """Decode with nvJPEG and the hardware decoder instead of the CPU."""


def build_graph(source: Callable[[types.BatchInfo], EncodedBatch], options: GraphOptions) -> Pipeline:
    """Build the pipeline `decode -> resize -> mirror and normalise`.

    The output of a run is one tensor list, float32 [batch, 3, image_size, image_size], on the device.
    """
    pipeline = Pipeline(
        batch_size=options.batch_size,
        num_threads=options.num_threads,
        device_id=options.device_id,
        prefetch_queue_depth=options.prefetch,
        exec_dynamic=True,
    )
    with pipeline:
        # Read-only views into the mapped shards; DALI copies them while the callback runs.
        encoded, mirror = fn.external_source(source=source, num_outputs=2, batch=True, batch_info=True)
        # Upright, as the index counts width and height; it is the default, and what the packing check relies on.
        images = fn.decoders.image(
            encoded,
            device="mixed" if options.decode_on_gpu else "cpu",
            output_type=types.DALIImageType.RGB,
            adjust_orientation=True,
        )
        if options.device_id is not None:
            images = images.gpu()
        images = fn.resize(images, resize_x=options.image_size, resize_y=options.image_size, interp_type=types.DALIInterpType.INTERP_LINEAR)
        normalised = fn.crop_mirror_normalize(  # pyrefly: ignore[no-matching-overload] (DALI's stub for `images` is too wide)
            images, mirror=mirror, dtype=types.DALIDataType.FLOAT, output_layout="CHW", mean=list(MEAN), std=list(STD)
        )
        pipeline.set_outputs(normalised)
    pipeline.build()
    return pipeline
