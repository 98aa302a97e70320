"""5: what cuDNN's flags and the memory format cost in a step that trains the whole trunk."""

import itertools
from collections.abc import Iterator

import torch

from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.parts import autocast, random_images, trunk_on_device
from tools.benchmarks.gpu.timing import seconds_per_call
from tools.benchmarks.gpu.work import Work


def measure(work: Work) -> Iterator[Figure]:
    """Yield the rate of forward and backward for each combination; training uses deterministic, no benchmark, channels-last."""
    trunk, pixels = trunk_on_device(work, train_from="all"), random_images(work, work.batch_size)
    trunk.eval()  # dropout would only add noise to the times
    for channels_last, benchmark, deterministic in itertools.product((True, False), repeat=3):
        memory_format = torch.channels_last if channels_last else torch.contiguous_format
        trunk.to(memory_format=memory_format)
        images = pixels.contiguous(memory_format=memory_format)

        def step(images: torch.Tensor = images) -> None:
            with autocast(work):
                loss = trunk(images)[work.tap].float().sum()
            loss.backward()
            trunk.zero_grad()

        with torch.backends.cudnn.flags(enabled=True, benchmark=benchmark, deterministic=deterministic, allow_tf32=True):
            seconds = seconds_per_call(step, work.device, repeats=max(2, work.repeats // 2))
        settings = {"channels-last": channels_last, "benchmark": benchmark, "deterministic": deterministic}
        what = f"forward and backward: {', '.join(name for name, on in settings.items() if on) or 'none of them'}"
        is_ours = (channels_last, benchmark, deterministic) == (True, False, True)
        yield Figure(
            what=what, value=work.batch_size / seconds, unit="images/s", expected="about 3,300, as training runs" if is_ours else ""
        )
