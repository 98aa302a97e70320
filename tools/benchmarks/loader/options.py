"""The flags of `tools/benchmark loader`."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from shards.cores import usable_cores
from shards.errors import ConfigurationError
from tools.benchmarks.loader.contenders import Name


@dataclass(frozen=True, kw_only=True, slots=True)
class LoaderBenchmark:
    """Load shuffled batches of generated faces with this project's loader and with others, in turns, and compare medians."""

    folder: Path = Path("data/benchmark")
    """Folder for the images and for what is packed of them; all is kept for the next run."""
    num_images: int = 6000
    """Images."""
    repeats: int = 3
    """Rounds."""
    batches: int = 40
    """Fewest batches that each contender is watched for, after those of the warm-up."""
    seconds: float = 4.0
    """Shortest time it is watched for; whoever is fast loads several epochs."""
    warmup_batches: int = 6
    """Batches before the clock starts."""
    threads: int | None = None
    """Threads, or worker processes, of each contender. Default: as many as there are cores."""
    image_size: int = 224
    """Height and width of the images in a batch, in pixels."""
    batch_size: int = 128
    """Images in a batch."""
    large_images: int = 200_000
    """First batch and memory are measured once more with this many images (hard links to them); 0 leaves it out."""
    contenders: tuple[Name, ...] = get_args(Name)
    """Who takes part."""
    json: Path | None = None
    """File for the figures. Default: loader.json in the folder."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_images", "repeats", "batches", "batch_size", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(f"--{name.replace('_', '-')} is {value}, expected at least 1")
        for name in ("seconds", "warmup_batches", "large_images"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected at least 0")
        if not 32 <= self.image_size <= 4096:
            raise ConfigurationError(f"--image-size is {self.image_size}, expected 32 to 4096")
        fewest = self.batch_size * self.num_threads()
        if self.num_images < fewest:
            raise ConfigurationError(
                f"--num-images is {self.num_images}, expected at least {fewest}: a batch of {self.batch_size} for each of "
                f"{self.num_threads()} workers"
            )
        if 1 < self.large_images < self.batch_size:
            raise ConfigurationError(f"--large-images is {self.large_images}, expected 0 or at least a batch of {self.batch_size}")
        if not self.contenders or len(set(self.contenders)) < len(self.contenders):
            raise ConfigurationError("--contenders names none, or one twice; leave it out to take all")

    def num_threads(self) -> int:
        """Return the threads or worker processes of each contender."""
        return self.threads or usable_cores()
