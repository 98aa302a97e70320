"""What `tools/benchmark gpu` does, in its order, and how long each part may take."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The tests, or one measurement."""

    number: int
    """0 for the tests; what `--only` takes."""
    name: str
    """Module below `tools.benchmarks.gpu.measurements`; empty for the tests."""
    title: str
    """In the table."""
    seconds: float
    """Longest time, its process's start included."""
    needs_faces: bool = False
    """Whether it reads packed faces."""


TESTS = Part(number=0, name="", title="the GPU's tests", seconds=240)
MEASUREMENTS = (
    Part(number=1, name="environment", title="the machine", seconds=40),
    Part(number=2, name="agreement", title="ranks and decoders", seconds=60, needs_faces=True),
    Part(number=3, name="loader_alone", title="the loader alone", seconds=75, needs_faces=True),
    Part(number=4, name="frozen_trunk", title="the frozen trunk alone", seconds=90),
    Part(number=5, name="cudnn_flags", title="cuDNN's flags", seconds=60),
    Part(number=6, name="from_images", title="training from images", seconds=75, needs_faces=True),
    Part(number=7, name="feature_pass", title="the feature pass", seconds=60, needs_faces=True),
    Part(number=8, name="from_features", title="training from features", seconds=90, needs_faces=True),
    Part(number=9, name="fine_tuning", title="fine-tuning", seconds=90, needs_faces=True),
    Part(number=10, name="half_precision", title="fp16, a kill, a damaged image", seconds=60, needs_faces=True),
)
PARTS = (TESTS, *MEASUREMENTS)
PREPARATION_SECONDS = 180
