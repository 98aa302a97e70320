"""Training the report's settings three ways: the trunk in every epoch, features computed once, features that are there already."""

import contextlib
import os
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from engine.config import DEFAULT_TASKS
from engine.journal.history import read_history
from shards.errors import ConfigurationError
from shards.faces.layout import ATTRIBUTE_FILE, IMAGE_FOLDER
from shards.manifest import MANIFEST
from shards.packing.options import PackOptions
from shards.packing.pack import make_shards
from tools.benchmarks.loader.data import warm
from tools.benchmarks.pack import drawn_faces
from tools.benchmarks.result import write_result
from tools.benchmarks.trial import run_trial

_TRAIN, _BARE = "tools.benchmarks.features.train_trial", "tools.benchmarks.features.bare_trial"
_LOGITS = 1000
_PACKAGES = ("torch", "torchvision", "accelerate")


@dataclass(frozen=True, kw_only=True, slots=True)
class FeaturesBenchmark:
    """Train heads on a frozen VGG16 with random weights on generated faces: with the trunk in every epoch, and from features."""

    folder: Path = Path("data/benchmark")
    """Folder for the images and their shards, which are kept, and for the features and runs, which are not."""
    num_images: int = 6000
    """Images, 70 % of them for training."""
    image_size: int = 64
    """Height and width of the images, in pixels."""
    epochs: int = 10
    """Epochs of a run."""
    trunk: str = "vgg16"
    """Any VGG of torchvision."""
    json: Path | None = None
    """File for the figures. Default: features.json in the folder."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_images", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way of training, measured."""

    seconds: float
    """The whole run: start (without imports), features if any, epochs, evaluation, report."""
    samples_per_second: float
    """Training samples per second of training steps, the median epoch's."""
    losses: tuple[tuple[float, ...], ...]
    """[epoch, task] mean training losses."""
    metrics: tuple[float, ...]
    """Test accuracy, balanced accuracy, F1, AUROC and average precision of every task, where it has them."""


def benchmark_features(options: FeaturesBenchmark) -> None:
    """Measure, print a table and write the figures."""
    options.folder.mkdir(parents=True, exist_ok=True)
    shards = _packed(options)
    warm(shards)
    with tempfile.TemporaryDirectory(prefix="features-", dir=options.folder) as name:
        scratch = Path(name)
        cached = ("--features.dir", str(scratch / "features"))
        ways = {
            "trunk in every epoch": _train(options, shards, scratch / "trunk"),
            "features computed once": _train(options, shards, scratch / "first", *cached),
            "features found": _train(options, shards, scratch / "again", *cached),
        }
    num_train = round(0.7 * options.num_images)
    bare = run_trial(_BARE, str(num_train), str(_LOGITS), str(len(DEFAULT_TASKS)), str(options.epochs))
    figures: dict[str, Any] = {
        "images": options.num_images,
        "epochs": options.epochs,
        "ways": {name: asdict(way) for name, way in ways.items()},
        "bare_loop_samples_per_second": bare.figures["samples_per_second"],
        "largest_relative_loss_difference": _loss_difference(ways),
        "largest_metric_difference": _metric_difference(ways),
    }
    _print(options, ways, figures)
    write_result(options.json or options.folder / "features.json", figures, _PACKAGES)


def _packed(options: FeaturesBenchmark) -> Path:
    faces = drawn_faces(options.folder, options.num_images)
    shards = options.folder / f"split-{options.num_images}"
    if not (shards / MANIFEST).exists():
        print(f"packing {options.num_images:,} images: {shards}")
        # Its report is about packing.
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
            make_shards(PackOptions(images=str(faces / IMAGE_FOLDER), attributes=(str(faces / ATTRIBUTE_FILE),), out=str(shards)))
    return shards


def _train(options: FeaturesBenchmark, shards: Path, run_dir: Path, *flags: str) -> Way:
    settings = {
        "data.shards": shards,
        "run.dir": run_dir,
        "pipeline.image_size": options.image_size,
        "model.trunk": options.trunk,
        "model.weights": "none",
        "train.epochs": options.epochs,
        "report.console": "quiet",
    }
    trial = run_trial(_TRAIN, *(word for name, value in settings.items() for word in (f"--{name}", str(value))), *flags)
    history = read_history(run_dir)
    names = ("accuracy", "balanced_accuracy", "f1", "auroc", "average_precision")
    return Way(
        seconds=trial.seconds,
        samples_per_second=statistics.median(record.num_images / record.seconds for record in history.loaders.values()),
        losses=tuple(tuple(loss for loss in record.task_losses if loss is not None) for _, record in sorted(history.epochs.items())),
        metrics=tuple(
            value for entry in history.split("test")[-1].metrics for name in names if (value := getattr(entry, name)) is not None
        ),
    )


def _loss_difference(ways: dict[str, Way]) -> float:
    first, *others = ([loss for epoch in way.losses for loss in epoch] for way in ways.values())
    return max(abs(loss - wanted) / wanted for other in others for loss, wanted in zip(other, first, strict=True))


def _metric_difference(ways: dict[str, Way]) -> float:
    first, *others = (way.metrics for way in ways.values())
    return max(abs(value - wanted) for other in others for value, wanted in zip(other, first, strict=True))


def _print(options: FeaturesBenchmark, ways: dict[str, Way], figures: dict[str, Any]) -> None:
    title = f"{options.num_images:,} images of {options.image_size} x {options.image_size}, {options.trunk}, {options.epochs} epochs"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("", "seconds", "times faster", "training samples/s"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    slowest = next(iter(ways.values())).seconds
    for name, way in ways.items():
        table.add_row(name, f"{way.seconds:.1f}", f"{slowest / way.seconds:.2f}", f"{way.samples_per_second:,.0f}")
    table.add_row("a bare loop over the same head", "", "", f"{figures['bare_loop_samples_per_second']:,.0f}")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"largest relative difference of a task's epoch loss: {figures['largest_relative_loss_difference']:.1e}")
    console.print(f"largest difference of a task's test metric: {figures['largest_metric_difference']:.1e}")
