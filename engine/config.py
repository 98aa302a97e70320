"""Every knob of a run, on one page: a frozen dataclass per section, a docstring with its unit under each field."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from engine.settings import setting, unused, used
from shards.cores import cpu_quota
from shards.errors import ConfigurationError, did_you_mean
from shards.storage.folder import check_no_shard, is_url

DEFAULT_TASKS = (
    "Arched_Eyebrows",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Necklace",
    "Young",
)

Trunk = Literal["vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigurationError(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """Where the run lives and how it may be repeated."""

    dir: Path = setting(effect="place")
    """Folder the run writes into: configuration, records, checkpoints, weights, report."""
    seed: int = 0
    """Decides initial weights, order, masks, augmentation and dropout."""
    if_exists: Literal["refuse", "resume", "replace"] = setting("refuse", effect="none")
    """What to do when `dir` already holds a run: stop, go on from its last checkpoint, or delete it and start anew."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.seed >= 0, f"run.seed is {self.seed}, expected at least 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """What is learnt from."""

    shards: str = setting(effect="place")
    """Folder written by tools/make_shards, or its URL."""
    cache: Path | None = setting(None, effect="place")
    """Folder for copies of data sets that lie at a URL; each is downloaded once, verified and reused."""
    tasks: tuple[str, ...] = DEFAULT_TASKS
    """Attributes to learn, one task each, or the single word `all`."""
    limit: int | None = setting(None, effect="data")
    """Train on this many samples only: the first of the training split, which is shuffled when it is packed. Evaluation stays whole."""
    keys: Path | None = setting(None, effect="data")
    """Train only on the samples whose keys stand in this text file, one per line. Evaluation stays whole."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.limit is None or self.limit >= 1, f"data.limit is {self.limit}, expected at least 1")
        _check(len(self.tasks) > 0, "data.tasks is empty, expected attribute names or the word all")
        twice = sorted({name for name in self.tasks if self.tasks.count(name) > 1})
        _check(not twice, f"data.tasks names {', '.join(twice)} twice")
        check_no_shard("data.shards", self.shards)
        remote = is_url(self.shards)
        _check(not remote or self.cache is not None, f"data.shards is the URL {self.shards}; name a folder for its copy with data.cache")
        _check(remote or self.cache is None, f"data.cache has no effect: data.shards {self.shards} is no URL; leave it out")


DEFAULT_HW_DECODER_LOAD = 0.65
SMALLEST_SIDE = 32
"""Pixels: VGG halves an image five times."""
ImageSize = int | tuple[int, int] | Literal["none"]


_REAL = ("dali", "torch")


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineConfig:
    """How images reach the model."""

    backend: Literal["dali", "torch", "synthetic"] = "dali"
    """`torch`: a DataLoader with torchvision, the reference; `synthetic`: one batch over and over, to see what the model alone can do."""
    image_size: ImageSize = 224
    """Pixels the images are resized to: one number for a square, height and width, or `none` to keep them as they are."""
    dtype: Literal["float32", "float16"] = "float32"
    """Type of the pixels. float16 halves a batch; it needs a train.precision other than `no`."""
    shuffle: Literal["global", "window"] = "global"
    """Training order: any sample may follow any other, or shards are shuffled, and samples within a window of shards: for disks and
    networks that have to be read in long pieces."""
    window_shards: int | None = None
    """Shards in a window, with `shuffle window`; `None` means 16. More mix better, and want more memory for the system's file cache."""
    decoder: Literal["auto", "cpu", "gpu"] = setting("auto", effect="rounding", used_by=("dali",))
    """Where JPEGs are decoded; auto is the GPU where there is one."""
    hw_decoder_load: float = setting(DEFAULT_HW_DECODER_LOAD, effect="rounding", used_by=("dali",))
    """GPU: share of the images for the hardware decoder, 0 to 1, where the card has one."""
    threads: int = setting(0, effect="none", used_by=_REAL)
    """CPU threads (`torch`: processes) per process that load; 0 shares the machine's cores among its processes."""
    prefetch: int = setting(2, effect="none", used_by=_REAL)
    """Decoded batches that are kept ready (`torch`: by each process)."""
    check_crc: bool = setting(True, effect="none", used_by=_REAL)
    """Compare every image with its checksum before it is decoded."""
    on_bad_sample: Literal["raise", "skip"] = setting("raise", effect="none", used_by=_REAL)
    """What a damaged sample does: end the run, or have no part in it, counted and reported. Its place in the batch stays; it is black and
    has no labels."""
    max_bad_samples: int | None = setting(None, effect="none")
    """Damaged samples of a split that a process may skip before the run ends after all, with `on_bad_sample skip`; `None` means 10."""
    drop_last: bool = True
    """Leave out the last training batch of an epoch if it is not full. Evaluation never leaves anything out."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for side in self.size() or ():
            _check(
                SMALLEST_SIDE <= side <= 4096,
                f"pipeline.image_size is {self.image_size}, expected {SMALLEST_SIDE} to 4096 (VGG halves it five times)",
            )
        _check(self.threads >= 0, f"pipeline.threads is {self.threads}, expected at least 0")
        _check(1 <= self.prefetch <= 64, f"pipeline.prefetch is {self.prefetch}, expected 1 to 64")
        _check(0 <= self.hw_decoder_load <= 1, f"pipeline.hw_decoder_load is {self.hw_decoder_load}, expected 0 to 1")
        _check(
            self.decoder != "cpu" or self.hw_decoder_load == DEFAULT_HW_DECODER_LOAD,
            "pipeline.hw_decoder_load has no effect with pipeline.decoder cpu; leave it out",
        )
        useless = unused(self, self.backend)
        _check(not useless, f"pipeline.{'/'.join(useless)} has no effect with pipeline.backend {self.backend}; leave it out")
        window, budget = self.window_shards, self.max_bad_samples
        _check(window is None or window >= 1, f"pipeline.window_shards is {window}, expected at least 1")
        _check(window is None or self.shuffle == "window", "pipeline.window_shards has no effect without shuffle window; leave it out")
        _check(budget is None or budget >= 1, f"pipeline.max_bad_samples is {budget}, expected at least 1")
        _check(
            budget is None or self.on_bad_sample == "skip",
            "pipeline.max_bad_samples has no effect with pipeline.on_bad_sample raise; leave it out",
        )

    def size(self) -> tuple[int, int] | None:
        """Return height and width in pixels, or None where images keep theirs."""
        if isinstance(self.image_size, int):
            return self.image_size, self.image_size
        return None if self.image_size == "none" else self.image_size

    def bad_sample_budget(self) -> int:
        """Return how many damaged samples may be skipped."""
        return 0 if self.on_bad_sample == "raise" else self.max_bad_samples or 10

    def shards_per_window(self) -> int:
        """Return the number of shards that are mixed in `shuffle window`."""
        return self.window_shards or 16

    def threads_per_process(self) -> int:
        """Return the number of CPU threads that load in this process."""
        processes, cores = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), len(os.sched_getaffinity(0))
        # A scheduler may have given each process its own cores already.
        bound = cores * processes <= (os.cpu_count() or 1)
        share, quota = cores if bound else cores // processes, cpu_quota()
        # All processes of a container have its quota together.
        return self.threads or max(1, share if quota is None else min(share, quota // processes))


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentConfig:
    """How training images are varied, by chance that a resumed run repeats. Evaluation never varies anything."""

    mirror: bool = False
    """Mirror a random half of the images."""
    crop: tuple[float, float] | None = None
    """Cut a random piece out of each image before it is resized: least and most share of its area, 0 to 1."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Least and most ratio of the piece's width to its height."""
    brightness: float = 0.0
    """Largest change of brightness: the factor is drawn from 1 - this to 1 + this, so are those of contrast and saturation."""
    contrast: float = 0.0
    """Largest change of contrast, about middle grey."""
    saturation: float = 0.0
    """Largest change of saturation."""
    hue: float = 0.0
    """Largest turn of the hue, in degrees."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.crop is not None:
            _check(0 < self.crop[0] <= self.crop[1] <= 1, f"augment.crop is {self.crop}, expected two rising shares of 0 to 1")
        else:
            _check(self.crop_ratio == (3 / 4, 4 / 3), "augment.crop_ratio has no effect without augment.crop; leave it out")
        _check(0 < self.crop_ratio[0] <= self.crop_ratio[1], f"augment.crop_ratio is {self.crop_ratio}, expected two rising ratios")
        for name in ("brightness", "contrast", "saturation"):
            _check(0 <= getattr(self, name) <= 1, f"augment.{name} is {getattr(self, name)}, expected 0 to 1")
        _check(0 <= self.hue <= 180, f"augment.hue is {self.hue}, expected 0 to 180")

    def changes_colour(self) -> bool:
        """Return whether colours are varied."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """VGG trunk and task heads."""

    trunk: Trunk = "vgg16"
    """Any VGG of torchvision."""
    weights: str = "IMAGENET1K_V1"
    """Name of torchvision's weights (downloaded once), `none` (drawn), or a .pth or .safetensors file with torchvision's names: inside of a
    checkpoint, of DataParallel, compiled, with another number of classes, without the layers that no task reads."""
    weights_seed: int | None = None
    """Seed of a trunk that is drawn; `None` means `run.seed`. Runs of several seeds share one random trunk with it."""
    train_from: str = "heads"
    """First stage that is trained: `heads` (trunk frozen), a stage such as conv5_1, pool4 or fc6, or `all`."""
    tap: str = "logits"
    """Stage whose output the heads read: conv1_1 … conv5_3, pool1 … pool5, fc6, fc7 or logits. Later stages are not built."""
    tap_grid: int = 1
    """Side of the grid to which the output of a convolutional stage is averaged before the heads."""
    hidden: tuple[int, ...] = (64,)
    """Widths of the hidden layers, with ReLU, between tap and heads. Tasks at `tap` share them; one in `task_taps` has its own."""
    task_taps: dict[str, str] = field(default_factory=dict)
    """Task -> stage, for tasks that read another stage than `tap`."""
    task_hidden: dict[str, str] = field(default_factory=dict)
    """Task -> widths of hidden layers of its own, joined by `x` (`64x32`) or `none`, for tasks that do not share `hidden`."""
    standardise: bool = True
    """With `train_from heads`: bring each feature to mean 0 and deviation 1, by statistics of the training split that are kept with the
    model. Without, hidden units can die in the first steps, and a run's answers become constant. A trained trunk is left as it is."""
    channels_last: bool = setting(True, effect="rounding")
    """Memory format of the convolutions; faster on tensor cores and on most CPUs, same results up to rounding."""
    compile: bool = setting(False, effect="rounding")
    """Compile the model with torch.compile: a minute at the start, faster steps afterwards. From features on a GPU it is replayed as CUDA
    graphs, which spares launching short kernels one by one."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(1 <= self.tap_grid <= 64, f"model.tap_grid is {self.tap_grid}, expected 1 to 64")
        _check(all(width > 0 for width in self.hidden), f"model.hidden is {self.hidden}, expected positive widths")
        _check(self.weights_seed is None or self.weights == "none", "model.weights_seed has no effect: weights are loaded; leave it out")
        _check(self.weights_seed is None or self.weights_seed >= 0, f"model.weights_seed is {self.weights_seed}, expected at least 0")
        for task, text in self.task_hidden.items():
            _check(
                text == "none" or all(width.isdecimal() and int(width) > 0 for width in text.split("x")),
                f"model.task_hidden gives {task} {text!r}, expected widths such as 64x32, or none",
            )


def hidden_widths(config: ModelConfig, task: str) -> tuple[int, ...]:
    """Return the widths of a task's hidden layers."""
    text = config.task_hidden.get(task)
    if text is None:
        return config.hidden
    return () if text == "none" else tuple(int(width) for width in text.split("x"))


@dataclass(frozen=True, kw_only=True, slots=True)
class FeaturesConfig:
    """What a frozen trunk sees, computed once and trained from."""

    dir: Path | None = setting(None, effect="place")
    """Folder for the features; `None` runs the trunk in every epoch. What data set, transform, weights, tap and precision have in common
    is used again."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = setting("auto", effect="source")
    """Type they are stored in; auto is what the trunk computes (`train.precision`), so that nothing is lost."""
    mirrored: bool = False
    """Compute those of the mirrored images too, for `augment.mirror`. Twice the time and space."""

    def __post_init__(self) -> None:
        """Check what has an effect."""
        changed = [name for name in ("dtype", "mirrored") if getattr(self, name) not in ("auto", False)]
        _check(self.dir is not None or not changed, f"features.{'/'.join(changed)} has no effect without features.dir; leave it out")


Balancer = Literal[
    "none",
    "torchjd.equal",
    "torchjd.uncertainty",
    "torchjd.dwa",
    "torchjd.famo",
    "torchjd.pcgrad",
    "torchjd.cagrad",
    "torchjd.upgrad",
    "torchjd.nash_mtl",
]
GRADIENT_BALANCERS = ("torchjd.pcgrad", "torchjd.cagrad", "torchjd.upgrad", "torchjd.nash_mtl")
"""They balance the tasks' gradients, not their losses."""
ALL_TASK_BALANCERS = ("torchjd.famo", "torchjd.nash_mtl")
"""They need every task in every step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LossConfig:
    """Binary cross-entropy per task."""

    pos_weight: Literal["none", "balanced"] = "none"
    """`balanced` weighs a task's positives by (negatives / positives) of the training split, as if both were equally frequent."""
    balancer: Balancer = "none"
    """How tasks are weighed against one another, by TorchJD (`pip install -e '.[balance]'`). `none` and `equal`: the mean over all
    tasks. By their losses: `uncertainty` (Kendall 2018), `dwa` (Liu 2019), `famo` (Liu 2023; scheduler mtl only). By their gradients on
    the layers they share: `pcgrad` (Yu 2020), `cagrad` (Liu 2021), `upgrad` (Quinton & Rey 2024), `nash_mtl` (Navon 2022; mtl only)."""


BuiltIn = Literal["dst", "mtl", "stl", "random", "drop_balanced", "static"]
SCHEDULERS: tuple[str, ...] = get_args(BuiltIn)
_OWN = "own"
_OWN_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""A class by the name of its module."""
_DRAWING = ("dst", "random", "drop_balanced")


def check_scheduler_name(name: str, where: str) -> None:
    """Refuse a name that is neither a scheduler of ours nor `module:Class`.

    Args:
        name: The name.
        where: What messages call the setting.

    Raises:
        ConfigurationError: It is no such name; the nearest one is told.
    """
    if name not in SCHEDULERS and not _OWN_NAME.fullmatch(name):
        hint = did_you_mean(name, SCHEDULERS)
        raise ConfigurationError(
            f"{where}: there is no scheduler {name!r}{hint}; expected {', '.join(SCHEDULERS)}, or a class of your own as module:Class"
        )


def scheduler_settings(name: str) -> list[str]:
    """Return the keys of the section `scheduler` that a scheduler has a use for."""
    return used(SchedulerConfig, name if name in SCHEDULERS else _OWN)


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerConfig:
    """Which tasks are trained when."""

    name: str = "dst"
    """`dst`: Dropped Scheduled Task; `mtl`: all tasks in every step; `stl`: the run's only task; `random`: each task is dropped at a
    fixed rate; `drop_balanced`: tasks that were dropped often are trained more; `static`: no dropping, a fixed weight on each loss;
    `module:Class`: a scheduler of your own (CONTRIBUTING.md)."""
    depth: float = setting(0.2, used_by=("dst",))
    """DST: weight of the depth metric. The five weights sum to 1."""
    count: float = setting(0.2, used_by=("dst",))
    """DST: weight of the label count metric."""
    incompleteness: float = setting(0.2, used_by=("dst",))
    """DST: weight of the training incompleteness metric."""
    stagnancy: float = setting(0.2, used_by=("dst",))
    """DST: weight of the network stagnancy metric."""
    regulariser: float = setting(0.2, used_by=("dst",))
    """DST: weight of the constant 1: no task's probability falls below it."""
    count_of: Literal["labelled", "positive"] = setting("labelled", used_by=("dst",))
    """DST: what the count metric counts in the training split."""
    granularity: Literal["step", "epoch"] = setting("step", used_by=_DRAWING)
    """`dst`, `random`, `drop_balanced`: how often a new set of active tasks is drawn."""
    rate: float = setting(0.3, used_by=("random", "drop_balanced"))
    """`random`, `drop_balanced`: p, the probability with which a task is dropped (`drop_balanced`: at first), 0 to below 1."""
    floor: float = setting(0.05, used_by=("drop_balanced",))
    """`drop_balanced`: least probability with which a task is trained, above 0 and below 1 - rate."""
    weights: dict[str, float] = setting(factory=dict, effect="source", used_by=("static",))
    """`static`: task -> factor on its loss, above 0; every task of the run has one."""
    weights_of: Path | None = setting(None, effect="source", used_by=("static",))
    """`static`: folder of a finished run of the same tasks; each task's mean P over its epochs is the factor."""
    options: dict[str, str] = setting(factory=dict, used_by=(_OWN,))
    """`module:Class`: name -> value, for the keyword arguments of a scheduler of your own."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_scheduler_name(self.name, "scheduler.name")
        mixture = (self.depth, self.count, self.incompleteness, self.stagnancy, self.regulariser)
        _check(all(weight >= 0 for weight in mixture), f"scheduler: the five weights are {mixture}, expected none below 0")
        _check(abs(sum(mixture) - 1) < 1e-6, f"scheduler: the five weights sum to {sum(mixture):g}, expected 1")
        _check(0 <= self.rate < 1, f"scheduler.rate is {self.rate}, expected 0 to below 1")
        _check(0 < self.floor <= 1, f"scheduler.floor is {self.floor}, expected above 0 and at most 1")
        for task, weight in self.weights.items():
            _check(0 < weight < float("inf"), f"scheduler.weights gives {task} {weight}, expected a number above 0")
        self._check_effect()

    def _check_effect(self) -> None:
        """Refuse what cannot take effect."""
        useless = unused(self, self.name if self.name in SCHEDULERS else _OWN)
        _check(not useless, f"scheduler.{'/'.join(useless)} has no effect with scheduler.name {self.name}; leave it out")
        _check(self.count_of == "labelled" or self.count > 0, "scheduler.count_of has no effect with scheduler.count 0; leave it out")
        _check(
            self.name != "drop_balanced" or self.floor < 1 - self.rate,
            f"scheduler.floor is {self.floor}, expected below 1 - scheduler.rate = {1 - self.rate:g}: every probability would be the floor",
        )
        given = bool(self.weights) + (self.weights_of is not None)
        _check(
            self.name != "static" or given == 1,
            "scheduler.name static takes its weights from scheduler.weights or from scheduler.weights_of; give one of them",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """How weights move."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    """Optimiser; sgd has momentum 0.9."""
    lr: float = 1e-3
    """Learning rate of the heads."""
    trunk_lr: float | None = None
    """Learning rate of the trained part of the trunk; `None` means `lr`."""
    weight_decay: float = 0.0
    """Weight decay; coupled into the gradient for adam and sgd, decoupled for adamw."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Learning rate over the run: constant, or a half cosine down to zero at the last step."""
    warmup_steps: int = 0
    """Steps over which the learning rate rises linearly from zero at the start."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.lr > 0, f"optimizer.lr is {self.lr}, expected more than 0")
        _check(self.trunk_lr is None or self.trunk_lr > 0, f"optimizer.trunk_lr is {self.trunk_lr}, expected more than 0")
        _check(self.weight_decay >= 0, f"optimizer.weight_decay is {self.weight_decay}, expected at least 0")
        _check(self.warmup_steps >= 0, f"optimizer.warmup_steps is {self.warmup_steps}, expected at least 0")


def _extends(before: "Config", now: "Config") -> bool:
    """Tell whether more epochs are asked for of a run whose first epochs do not depend on their number."""
    return before.optimizer.schedule == now.optimizer.schedule == "constant" and before.train.epochs <= now.train.epochs


def _always(_before: "Config", _now: "Config") -> bool:
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """The loop."""

    epochs: int = setting(10, may_change=_extends, because=", to which the curve of the learning rate belongs,")
    """Epochs of the run. Under a constant learning rate a run can be resumed with more of them, even when it is finished."""
    batch_size: int = 128
    """Samples per optimiser step over all ranks: the global batch."""
    micro_batch_size: int | None = setting(None, effect="rounding", may_change=_always)
    """Most samples in one forward pass on one rank; larger shares of the batch are trained in parts (gradient accumulation)."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    """Autocast type of the model; losses, metrics and master weights stay float32."""
    checkpoint_every: int = setting(0, effect="none")
    """Steps between checkpoints inside an epoch; 0 for none. The end of an epoch and a signal always write one."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.epochs >= 1, f"train.epochs is {self.epochs}, expected at least 1")
        _check(self.batch_size >= 1, f"train.batch_size is {self.batch_size}, expected at least 1")
        micro = self.micro_batch_size
        _check(micro is None or micro >= 1, f"train.micro_batch_size is {micro}, expected at least 1")
        _check(self.checkpoint_every >= 0, f"train.checkpoint_every is {self.checkpoint_every}, expected at least 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportConfig:
    """What the run tells while it goes."""

    console: Literal["auto", "rich", "plain", "quiet"] = setting("auto", effect="none")
    """auto: live line and tables on a terminal, plain lines elsewhere."""
    every: int = setting(10, effect="none")
    """Steps between reports of loss and speed; the steps between are never synchronised with the host."""
    threshold: Literal["half", "val"] = "half"
    """Probability above which a task is answered "present": 0.5, or that of the largest balanced accuracy in the last evaluation on val,
    task by task. Val's own figures are then optimistic, and test's can be worse than at 0.5 where val is small or differs from test."""

    page: bool = setting(True, effect="none")
    """Draw report.html at the end; tools/report draws it at any time."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.every >= 1, f"report.every is {self.every}, expected at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Train multitask heads on face shards under a task scheduler.

    Besides the options below: --config FILE takes settings from a YAML file (configs/ has some); it may be given more than once, a later
    file wins over an earlier one, and flags win over files. --debug shows the traceback of an error. Exit codes: 0 done, 1 training
    diverged or a process was lost, 2 wrong arguments or configuration, 3 bad data, 4 bad checkpoint or weights, 75 stopped by a signal and
    resumable.
    """

    run: RunConfig
    data: DataConfig
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    report: ReportConfig = field(default_factory=ReportConfig)

    def __post_init__(self) -> None:
        """Check what concerns several sections."""
        _check(
            self.pipeline.dtype == "float32" or self.train.precision != "no",
            "pipeline.dtype float16 needs train.precision bf16 or fp16: a float32 model takes float32 pixels",
        )
        _check(
            self.augment.crop is None or self.pipeline.size() is not None,
            "augment.crop needs a pipeline.image_size: pieces of different sizes make no batch",
        )
        _check(
            self.pipeline.backend != "synthetic" or self.augment == AugmentConfig(),
            "augment has no effect with pipeline.backend synthetic; leave it out",
        )
        frozen = self.model.train_from == "heads"
        _check(
            not (frozen and self.optimizer.trunk_lr is not None),
            "optimizer.trunk_lr has no effect with model.train_from heads; leave it out",
        )
        if self.features.dir is not None:
            self._check_features()
        if self.loss.balancer != "none":
            self._check_balancer()
        model = self.model
        for key, own in (("hidden", model.task_hidden), ("tap", model.task_taps)):
            used = self.data.tasks == ("all",) or any(task not in own for task in self.data.tasks)
            is_default = getattr(model, key) == getattr(ModelConfig(), key)
            _check(used or is_default, f"model.{key} has no effect: every task has one of its own; leave it out")
        same = [name for name, tap in self.model.task_taps.items() if tap == self.model.tap]
        _check(
            not same or len(self.data.tasks) == 1,
            f"model.task_taps gives {', '.join(same)} the stage {self.model.tap}, which is model.tap already; leave it out",
        )
        mappings = {"model.task_taps": model.task_taps, "model.task_hidden": model.task_hidden, "scheduler.weights": self.scheduler.weights}
        for key, mapping in mappings.items():
            unknown = [name for name in mapping if self.data.tasks != ("all",) and name not in self.data.tasks]
            _check(not unknown, f"{key} names {', '.join(unknown)}, which data.tasks lacks")

    def _check_balancer(self) -> None:
        """Refuse what a balancer cannot work with; what depends on model, data and ranks is checked when these are there."""
        name, scheduler = self.loss.balancer, self.scheduler.name
        _check(scheduler != "stl", f"loss.balancer {name} has no effect with scheduler.name stl: there is one task; leave it out")
        _check(scheduler != "static", f"loss.balancer {name} and scheduler.name static both weigh the tasks; use one of them")
        _check(
            name not in ALL_TASK_BALANCERS or scheduler == "mtl",
            f"loss.balancer {name} needs every task in every step, and scheduler.name {scheduler} drops tasks; use mtl",
        )
        if name in GRADIENT_BALANCERS:
            _check(
                self.train.precision != "fp16",
                f"loss.balancer {name} cannot work with train.precision fp16: the scale of the losses would have to be taken from the "
                "gradients before they are put together; use bf16",
            )
            _check(
                not self.model.compile,
                f"loss.balancer {name} needs a backward pass per task, which a compiled model does not allow; leave model.compile out",
            )

    def _check_features(self) -> None:
        """Refuse what would make features wrong that are computed once."""
        why = "so features.dir would be wrong"
        trained = self.model.train_from
        _check(trained == "heads", f"model.train_from {trained} changes the trunk, {why}; use heads, or leave features.dir out")
        _check(self.pipeline.backend != "synthetic", f"pipeline.backend synthetic has no images, {why}; leave it out")
        mirror = self.augment.mirror
        _check(self.augment == AugmentConfig(mirror=mirror), f"augment varies the images in every epoch, {why}; leave out all but mirror")
        _check(self.features.mirrored or not mirror, f"augment.mirror varies the images in every epoch, {why}; add features.mirrored true")
        _check(mirror or not self.features.mirrored, "features.mirrored has no effect without augment.mirror; leave it out")
