"""6: training heads on a frozen trunk from images, with each decoder: what the whole reaches, and where the GPU waits."""

import sys
from collections.abc import Iterator
from pathlib import Path

from engine.run.construction import Shared
from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.profile_window import Window, profiled
from tools.benchmarks.gpu.training import Setting, images_per_second, in_words, scratch, train
from tools.benchmarks.gpu.work import Work

_SWITCH_SECONDS = 5e-4


def measure(work: Work) -> Iterator[Figure]:
    """Yield images per second of an epoch, and how busy the GPU is."""
    shared = Shared()
    with scratch(work) as folder:
        yield _figure(work, folder, shared, "noise that is there already", "the most it can be", pipeline__backend="synthetic")
        rates: dict[str, float] = {}
        for decoder in ("auto", "cpu") if work.device == "cuda" else ("auto",):
            figure, window = _profiled_figure(work, folder, shared, decoder)
            rates[decoder] = float(figure.value)
            yield figure
            if window.busy_share is not None:
                top = ", ".join(f"{name[:40]} {share:.0%}" for name, share in window.kernels[:2])
                print(*(f"    {share:6.1%} {name}" for name, share in window.kernels), sep="\n")
                yield Figure(what=f"GPU busy, decoder {decoder}", value=100 * window.busy_share, unit="%", note=top, expected="above 95")
        best = max(rates, key=lambda decoder: rates[decoder])
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        what = f"decoder {best}, interpreter switching every {1000 * _SWITCH_SECONDS:g} ms instead of {1000 * before:g}"
        yield _figure(work, folder, shared, what, "above the same without", pipeline__decoder=best)
        sys.setswitchinterval(before)


def _profiled_figure(work: Work, folder: Path, shared: Shared, decoder: str) -> tuple[Figure, Window]:
    # Once undisturbed for the rate, once for the window.
    figure = _figure(work, folder, shared, f"decoder {decoder}", "95 % of noise, data wait below 5 %", pipeline__decoder=decoder)
    steps = work.num_train // work.batch_size
    with profiled(first=steps // 2, length=max(2, steps // 10)) as window:
        train(work, folder / f"profile {decoder}", shared, pipeline__decoder=decoder)
    return figure, window


def _figure(work: Work, folder: Path, shared: Shared, what: str, expected: str, **settings: Setting) -> Figure:
    (record,) = train(work, folder / what, shared, **settings).loaders.values()
    return Figure(what=what, value=images_per_second(record), unit="images/s", note=in_words(record), expected=expected)
