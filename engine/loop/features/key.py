"""What decides the features of a tap: two runs with the same key may share them."""

import hashlib
import json

import nvidia.dali
import torch
import torchvision

from engine.config import Config
from engine.loop.features.store import BLOCK
from engine.model.trunk import StagedTrunk
from engine.pipeline.imagenet import MEAN, STD
from shards.dataset import ShardDataset

_FORMAT = 1
_COMPUTED_IN = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


_PIXELS = 64 * 224 * 224
"""In one forward pass, at most. VGG's largest maps have 64 channels: 0.8 GB in float32."""


def feature_dtype(config: Config) -> torch.dtype:
    """Return the type that features are stored in."""
    return _COMPUTED_IN[config.train.precision] if config.features.dtype == "auto" else getattr(torch, config.features.dtype)


def pass_size(config: Config, dataset: ShardDataset) -> int:
    """Return how many images go through the trunk at once."""
    first = dataset.index[0]
    size = config.pipeline.size() or (int(first["height"]), int(first["width"]))
    return images_per_pass(size, config.train.micro_batch_size)


def images_per_pass(image_size: tuple[int, int], most: int | None) -> int:
    """Return how many images go through the trunk at once.

    They divide a block, and their number follows from the image size (unless the user says less): kernels round differently for batches of
    different sizes, so nothing that is not in the key, such as the number of ranks, may decide it.

    Args:
        image_size: Height and width in pixels.
        most: `train.micro_batch_size`.
    """
    height, width = image_size
    fitting = max(1, min(BLOCK, _PIXELS // (height * width), most or BLOCK))
    return 1 << (fitting.bit_length() - 1)


def feature_key(
    config: Config, dataset: ShardDataset, trunk: StagedTrunk, tap: str, device: torch.device, *, mirrored: bool
) -> dict[str, str]:
    """Return name -> value in words.

    Args:
        config: Transform, trunk, precision.
        dataset: The data set; its index has a checksum of every image, and its labels do not matter.
        trunk: With its weights.
        tap: Stage that is read.
        device: Where it runs: kernels differ by rounding.
        mirrored: Features of the mirrored images.
    """
    pipeline, model = config.pipeline, config.model
    # As in the fingerprint of a loader: its decoders differ by rounding.
    on_gpu = pipeline.backend == "dali" and device.type == "cuda" and pipeline.decoder != "cpu"
    return {
        "format": str(_FORMAT),
        "images": dataset.manifest.files["index.npy"].sha256,
        "backend": pipeline.backend,
        "decoder": f"gpu, hardware's share {pipeline.hw_decoder_load}" if on_gpu else "cpu",
        # Without, damage may pass for an image.
        "checksums": str(pipeline.check_crc),
        "image size": str(pipeline.size() or "none"),
        "pixels": pipeline.dtype,
        "normalised by": f"{MEAN} {STD}",
        "mirrored": str(mirrored),
        "trunk": model.trunk,
        "weights": trunk.digest(tap),
        "tap": tap,
        "grid": str(model.tap_grid) if trunk.is_map(tap) else "none",
        "channels last": str(model.channels_last),
        "precision": config.train.precision,
        "stored as": str(feature_dtype(config)),
        "images in a pass": str(pass_size(config, dataset)),
        "device": torch.cuda.get_device_name(device) if torch.cuda.is_available() and device.type == "cuda" else device.type,
        "versions": f"torch {torch.__version__}, torchvision {torchvision.__version__}, DALI {nvidia.dali.__version__}",
    }


def key_digest(key: dict[str, str]) -> str:
    """Return the folder name of a key."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
