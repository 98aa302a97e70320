"""The reference backend: torch's DataLoader with torchvision. Slow and simple; DALI is tested and timed against it."""

import errno
import io
import itertools
import math
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.util import get_temp_dir
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2.functional import horizontal_flip, resize

from engine.pipeline.augmentation import Colours, Variation
from engine.pipeline.bad_samples import BadSamples
from engine.pipeline.batch import Batch
from engine.pipeline.imagenet import MEAN, STD
from engine.pipeline.loading_plan import LoadingPlan, Share
from engine.pipeline.source import ByteSource
from shards.errors import DataError, DropstreamError
from shards.image.check import check_image
from shards.image.header import BadImageError
from shards.image.jpeg import JPEG
from shards.image.png import without_extras

_UNLIMITED = 2**62
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (where torch puts it)
_OUT_OF_FILES = (
    "the run has too many files open for pipeline.backend torch, which needs one for each batch "
    f"(ulimit -n: {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}); raise it, or use pipeline.backend dali"
)
_PATIENCE = 1.0
"""Seconds in which a process ends that does not hang."""
_MIDDLE = 128.0
_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    """What a process sends."""

    part: Share
    images: Tensor
    """[n, 3, height, width]."""
    bad: dict[int, str]
    """Place -> what is wrong with the sample there."""


class TorchStream:
    """Decodes in the processes of a DataLoader, a batch each."""

    def __init__(self, plan: LoadingPlan, bad_samples: BadSamples, number: int) -> None:
        """Start the processes.

        Args:
            plan: What to load.
            bad_samples: Takes note of damaged samples.
            number: First batch, counted from the first of epoch 0.
        """
        # A fork would copy the locks of this process's threads as they happen to be. The server imports once for all.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        loader = DataLoader(
            _Batches(plan),
            batch_size=None,
            sampler=itertools.count(number),  # pyrefly: ignore[bad-argument-type] (any iterable will do)
            num_workers=plan.config.threads_per_process(),
            prefetch_factor=plan.config.prefetch,
            multiprocessing_context=context,
            worker_init_fn=prepare_to_end,
        )
        self._plan = plan
        self._bad_samples = bad_samples
        others = set(multiprocessing.active_children())
        # This process's folder for their sockets, which it removes at its end. One that they made themselves they would leave behind.
        get_temp_dir()
        self._made: Iterator[_Made | DropstreamError] | None = iter(loader)
        self._processes = set(multiprocessing.active_children()) - others

    def next(self) -> Batch:
        """Return the next batch.

        Raises:
            DataError: A sample is damaged, and the message names shard and key; or a process has ended.
        """
        if self._made is None:
            raise ValueError("the stream is closed")
        try:
            made = next(self._made)
        except (RuntimeError, OSError) as error:
            if _is_out_of_files(error):
                raise DataError(_OUT_OF_FILES) from error
            raise DataError(f"{self._plan.dataset.folder}: a loading process failed ({str(error).splitlines()[0]})") from error
        if isinstance(made, DropstreamError):
            raise made
        for place, reason in made.bad.items():
            self._bad_samples.add(int(made.part.ids[place]), reason)
        images, device = made.images, self._plan.place.device
        if device.type != "cpu":
            images = images.pin_memory().to(device, non_blocking=True)
        memory_format = torch.channels_last if self._plan.channels_last else torch.contiguous_format
        return self._plan.batch(made.part, images.to(memory_format=memory_format), list(made.bad))

    def close(self) -> None:
        """End the processes: one that hangs by force, a second later."""
        try:
            for process in self._processes:
                process.terminate()
            end = time.monotonic() + _PATIENCE
            for process in self._processes:
                process.join(max(end - time.monotonic(), 0))
        finally:
            for process in self._processes:
                process.kill()
            self._made = None


def prepare_to_end(_: int) -> None:
    """Have this process end when it is asked to, and when the run is killed: torch watches the fork server, which outlives the run.

    It ends from a thread of Python, which runs between two steps of the others. The system's own way would end it anywhere, also where
    torch has made shared memory and not yet removed its name: the memory would stay taken until the machine is started again.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    run = multiprocessing.parent_process()
    for wait in (lambda: signal.sigwait({signal.SIGTERM}), *([run.join] if run else [])):
        threading.Thread(target=lambda wait=wait: (wait(), os._exit(1)), daemon=True).start()


class _Batches(Dataset[_Made | DropstreamError]):
    """A rank's batches by their number; lives in a process of its own."""

    def __init__(self, plan: LoadingPlan) -> None:
        self._plan = plan
        self._source: ByteSource | None = None
        self._bad = BadSamples(plan.dataset, budget=_UNLIMITED if plan.config.bad_sample_budget() else 0)

    def __getitem__(self, index: int) -> _Made | DropstreamError:
        try:
            return self._make(index)
        except DropstreamError as error:
            # Raised here it would arrive with the traceback in its message.
            return error

    def _make(self, number: int) -> _Made:
        if self._source is None:
            self._source = ByteSource(self._plan.dataset, check_crc=self._plan.config.check_crc, bad_samples=self._bad)
        part = self._plan.share(number)
        encoded = self._source.read(part.ids, part.num_valid)
        batch = _shared(torch.empty(len(part.ids), 3, *self._plan.size(), dtype=self._plan.dtype()))
        for place, (sample_id, data) in enumerate(zip(part.ids.tolist(), encoded.images, strict=True)):
            try:
                if place not in encoded.bad:
                    pixels = _decoded(np.array(data))
                    batch[place] = _normalised(_varied(pixels, part.variation, place, self._plan.config.size()))  # pyrefly: ignore[bad-argument-type]
                    continue
            except BadImageError as error:
                self._bad.add(sample_id, f"cannot be decoded: {error}", error)
            except RuntimeError as error:
                self._bad.add(sample_id, f"cannot be decoded ({str(error).splitlines()[0]})", error)
            batch[place] = _normalised(torch.zeros(3, 1, 1))
        valid = part.ids[: part.num_valid].tolist()
        bad = {place: self._bad.reasons[sample_id] for place, sample_id in enumerate(valid) if sample_id in self._bad}
        return _Made(part=part, images=batch, bad=bad)


def _decoded(data: NDArray[np.uint8]) -> Tensor:
    """Return an image's pixels, [3, height, width], upright.

    Raises:
        BadImageError: It is a PNG, and damaged.
        RuntimeError: It is a JPEG, and damaged.
    """
    if data[: len(JPEG)].tobytes() == JPEG:
        return decode_jpeg(torch.from_numpy(data), ImageReadMode.RGB, apply_exif_orientation=True)  # pyrefly: ignore[bad-return]
    # Pillow fills up what a damaged one lacks, and torchvision's decoder ends the process.
    check_image(data.tobytes(), decode=True)
    with Image.open(io.BytesIO(without_extras(data.tobytes()))) as image:
        return torch.from_numpy(np.array(ImageOps.exif_transpose(image).convert("RGB"))).permute(2, 0, 1)


def _shared(batch: Tensor) -> Tensor:
    """Move a batch to where the run can read it.

    Here, and not when it is sent: that is done by a thread whose errors nobody hears, and the run would wait for ever.

    Raises:
        DataError: There is too little room.
    """
    try:
        return batch.share_memory_()
    except (RuntimeError, OSError) as error:
        if _is_out_of_files(error):
            raise DataError(_OUT_OF_FILES) from error
        room = os.statvfs(_SHARED_MEMORY)
        total, free = (blocks * room.f_frsize / 2**20 for blocks in (room.f_blocks, room.f_bavail))
        raise DataError(
            f"a loading process ran out of shared memory ({_SHARED_MEMORY}: {total:,.0f} MiB, {free:,.0f} MiB of them free; a batch takes "
            f"{batch.nbytes / 2**20:,.1f} MiB); give it more (docker run --shm-size 8g), lower pipeline.prefetch or pipeline.threads, or "
            "use pipeline.backend dali"
        ) from error


def _is_out_of_files(error: Exception) -> bool:
    """Tell what torch and Python say of it: some of it only in words."""
    return getattr(error, "errno", None) == errno.EMFILE or any(words in str(error) for words in ("Too many open files", "ancillary data"))


def _varied(pixels: Tensor, variation: Variation, place: int, size: tuple[int, int] | None) -> Tensor:
    """Return an image [3, height, width] with its variation, resized."""
    if variation.colours is not None:
        pixels = _twisted(pixels, variation.colours, place)
    if variation.boxes is not None:
        top, left, bottom, right = variation.boxes[place].tolist()
        pixels = pixels[:, top:bottom, left:right]
    if size is not None:
        pixels = resize(pixels, list(size), antialias=True)
    return horizontal_flip(pixels) if variation.mirror[place] else pixels


def _normalised(pixels: Tensor) -> Tensor:
    return (pixels.float() - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def _twisted(pixels: Tensor, colours: Colours, place: int) -> Tensor:
    """Return an image with other colours: saturation and hue as a stretch and a turn in the YIQ space, then contrast and brightness."""
    angle, saturation = math.radians(colours.hue[place]), float(colours.saturation[place])
    turn = torch.eye(3)
    turn[1:, 1:] = saturation * torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    twisted = torch.einsum("ij,jhw->ihw", torch.linalg.inv(_TO_YIQ) @ turn @ _TO_YIQ, pixels.float())
    twisted = ((twisted - _MIDDLE) * float(colours.contrast[place]) + _MIDDLE) * float(colours.brightness[place])
    return twisted.round().clamp(0, 255).to(torch.uint8)
