"""What a measurement's process is told: where the data lie, on which device to work, and how much."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

from engine.config import Trunk

Device = Literal["cuda", "cpu"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """The same for all measurements, through JSON to their processes."""

    device: Device
    """Where to work."""
    folder: str
    """Folder for what is drawn, packed and trained."""
    num_drawn: int
    """Faces that are drawn."""
    num_train: int
    """Training samples, which share these faces; one epoch of them."""
    num_eval: int
    """Samples of val, and of test."""
    trunk: Trunk
    """Any VGG of torchvision."""
    tap: str
    """Stage that the heads read."""
    image_size: int
    """Height and width in pixels."""
    batch_size: int
    """Images in a step."""
    batch_sizes: tuple[int, ...]
    """Images in a forward pass, where several are compared."""
    few_steps: int
    """Steps of the short trainings."""
    feature_epochs: int
    """Epochs of training from features."""
    repeats: int
    """How often a call is timed."""
    seconds: float
    """How long a loader is timed."""
    compiler: str
    """Backend of torch.compile."""

    @property
    def shards(self) -> str:
        """Folder of the packed faces."""
        return f"{self.folder}/shards-{self.num_train}"

    def to_json(self) -> str:
        """Return it as an argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Work":
        """Return what `to_json` was called on."""
        values = json.loads(text)
        return cls(**values | {"batch_sizes": tuple(values["batch_sizes"])})


def full_size(folder: str) -> Work:
    """Return what a GPU is given: the settings of the source report, VGG16 at 224x224 in batches of 128."""
    return Work(
        device="cuda",
        folder=folder,
        num_drawn=4000,
        num_train=25_600,
        num_eval=512,
        trunk="vgg16",
        tap="logits",
        image_size=224,
        batch_size=128,
        batch_sizes=(64, 128, 256, 512),
        few_steps=50,
        feature_epochs=10,
        repeats=20,
        seconds=2.0,
        compiler="inductor",
    )


def toy_size(folder: str) -> Work:
    """Return what a CPU can do in a minute or two: the same lines, and figures that mean nothing."""
    return Work(
        device="cpu",
        folder=folder,
        num_drawn=64,
        num_train=64,
        num_eval=16,
        trunk="vgg11",
        tap="pool3",
        image_size=32,
        batch_size=8,
        batch_sizes=(4, 8),
        few_steps=4,
        feature_epochs=2,
        repeats=2,
        seconds=0.1,
        compiler="aot_eager",
    )
