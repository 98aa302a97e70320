"""Every knob of a run, on one page: a frozen dataclass per section, a docstring with its unit under each field."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shards.errors import ConfigurationError
from shards.storage.folder import is_url

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

    dir: Path
    """Folder the run writes into: configuration, records, checkpoints, weights, report."""
    seed: int = 0
    """Decides initial weights, order, masks, augmentation and dropout."""
    if_exists: Literal["refuse", "resume", "replace"] = "refuse"
    """What to do when `dir` already holds a run: stop, go on from its last checkpoint, or delete it and start anew."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.seed >= 0, f"run.seed is {self.seed}, expected at least 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """What is learnt from."""

    shards: str
    """Folder written by tools/make_shards, or its URL."""
    cache: Path | None = None
    """Folder for copies of data sets that lie at a URL; each is downloaded once, verified and reused."""
    tasks: tuple[str, ...] = DEFAULT_TASKS
    """Attributes to learn, one task each, or the single word `all`."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(len(self.tasks) > 0, "data.tasks is empty, expected attribute names or the word all")
        twice = sorted({name for name in self.tasks if self.tasks.count(name) > 1})
        _check(not twice, f"data.tasks names {', '.join(twice)} twice")
        remote = is_url(self.shards)
        _check(not remote or self.cache is not None, f"data.shards is the URL {self.shards}; name a folder for its copy with data.cache")
        _check(remote or self.cache is None, f"data.cache has no effect: data.shards {self.shards} is no URL; leave it out")


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineConfig:
    """How images reach the model."""

    image_size: int = 224
    """Height and width the images are resized to, in pixels."""
    mirror: bool = False
    """Mirror a random half of the training images."""
    decoder: Literal["auto", "cpu", "gpu"] = "auto"
    """Where JPEGs are decoded; auto is the GPU where there is one."""
    threads: int = 0
    """DALI's CPU threads per process; 0 shares the machine's cores among its processes."""
    prefetch: int = 2
    """Batches that are kept ready."""
    check_crc: bool = True
    """Compare every image with its checksum before it is decoded."""
    drop_last: bool = True
    """Leave out the last training batch of an epoch if it is not full. Evaluation never leaves anything out."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(32 <= self.image_size <= 4096, f"pipeline.image_size is {self.image_size}, expected 32 to 4096 (VGG halves it five times)")
        _check(self.threads >= 0, f"pipeline.threads is {self.threads}, expected at least 0")
        _check(1 <= self.prefetch <= 64, f"pipeline.prefetch is {self.prefetch}, expected 1 to 64")

    def threads_per_process(self) -> int:
        """Return the number of CPU threads DALI gets in this process."""
        local_processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        return self.threads or max(1, len(os.sched_getaffinity(0)) // local_processes)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """VGG trunk and task heads."""

    trunk: Trunk = "vgg16"
    """Any VGG of torchvision."""
    weights: str = "IMAGENET1K_V1"
    """Name of torchvision's weights (downloaded once), a local .pth or .safetensors file with torchvision's keys, or `none`."""
    train_from: str = "heads"
    """First stage that is trained: `heads` (trunk frozen), a stage such as conv5_1, pool4 or fc6, or `all`."""
    tap: str = "logits"
    """Stage whose output the heads read: conv1_1 … conv5_3, pool1 … pool5, fc6, fc7 or logits. Later stages are not built."""
    tap_grid: int = 1
    """Side of the grid to which the output of a convolutional stage is averaged before the heads."""
    hidden: tuple[int, ...] = (64,)
    """Widths of the hidden layers, with ReLU, between tap and heads. Tasks at `tap` share them; a task in `task_taps` has its own."""
    task_taps: dict[str, str] = field(default_factory=dict)
    """Task -> stage, for tasks that read another stage than `tap`."""
    channels_last: bool = True
    """Memory format of the convolutions; faster on tensor cores and on most CPUs, same results up to rounding."""
    compile: bool = False
    """Compile the model with torch.compile: a minute at the start, faster steps afterwards."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(1 <= self.tap_grid <= 64, f"model.tap_grid is {self.tap_grid}, expected 1 to 64")
        _check(all(width > 0 for width in self.hidden), f"model.hidden is {self.hidden}, expected positive widths")


@dataclass(frozen=True, kw_only=True, slots=True)
class LossConfig:
    """Binary cross-entropy per task."""

    pos_weight: Literal["none", "balanced"] = "none"
    """`balanced` weighs a task's positives by (negatives / positives) of the training split, as if both were equally frequent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerConfig:
    """Which tasks are trained when."""

    name: Literal["dst", "mtl"] = "dst"
    """`dst`: Dropped Scheduled Task; `mtl`: all tasks in every step."""
    depth: float = 0.2
    """DST: weight of the depth metric. The five weights sum to 1."""
    count: float = 0.2
    """DST: weight of the label count metric."""
    incompleteness: float = 0.2
    """DST: weight of the training incompleteness metric."""
    stagnancy: float = 0.2
    """DST: weight of the network stagnancy metric."""
    regulariser: float = 0.2
    """DST: weight of the constant 1: no task's probability falls below it."""
    count_of: Literal["labelled", "positive"] = "labelled"
    """DST: what the count metric counts in the training split."""
    granularity: Literal["step", "epoch"] = "step"
    """DST: how often a new set of active tasks is drawn."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        weights = self.weights()
        _check(all(weight >= 0 for weight in weights), f"scheduler: the five weights are {weights}, expected none below 0")
        _check(abs(sum(weights) - 1) < 1e-6, f"scheduler: the five weights sum to {sum(weights):g}, expected 1")
        if self.name == "mtl":
            default = SchedulerConfig()
            changed = [name for name in self.__slots__ if name != "name" and getattr(self, name) != getattr(default, name)]
            _check(not changed, f"scheduler.{'/'.join(changed)} has no effect with scheduler.name mtl; leave it out")

    def weights(self) -> tuple[float, float, float, float, float]:
        """Return the weights of depth, count, incompleteness, stagnancy and regulariser."""
        return (self.depth, self.count, self.incompleteness, self.stagnancy, self.regulariser)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """The loop."""

    epochs: int = 10
    """Epochs of the run."""
    batch_size: int = 128
    """Samples per optimiser step over all ranks: the global batch."""
    micro_batch_size: int | None = None
    """Most samples in one forward pass on one rank; larger shares of the batch are trained in parts (gradient accumulation)."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    """Autocast type of the model; losses, metrics and master weights stay float32."""
    checkpoint_every: int = 0
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

    console: Literal["auto", "rich", "plain", "quiet"] = "auto"
    """auto: live line and tables on a terminal, plain lines elsewhere."""
    every: int = 10
    """Steps between reports of loss and speed; the steps between are never synchronised with the host."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.every >= 1, f"report.every is {self.every}, expected at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Train multitask heads on face shards under a task scheduler."""

    run: RunConfig
    data: DataConfig
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    report: ReportConfig = field(default_factory=ReportConfig)

    def __post_init__(self) -> None:
        """Check what concerns several sections."""
        frozen = self.model.train_from == "heads"
        _check(
            not (frozen and self.optimizer.trunk_lr is not None),
            "optimizer.trunk_lr has no effect with model.train_from heads; leave it out",
        )
        same = [name for name, tap in self.model.task_taps.items() if tap == self.model.tap]
        _check(not same, f"model.task_taps gives {', '.join(same)} the stage {self.model.tap}, which is model.tap already; leave it out")
        unknown = [name for name in self.model.task_taps if self.data.tasks != ("all",) and name not in self.data.tasks]
        _check(not unknown, f"model.task_taps names {', '.join(unknown)}, which data.tasks lacks")
