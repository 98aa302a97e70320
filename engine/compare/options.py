"""The options of `tools/compare` itself."""

from dataclasses import dataclass
from pathlib import Path

from engine.compare.bootstrap import Measure
from engine.config import check_scheduler_name
from shards.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareOptions:
    """Train under several schedulers and seeds, and tell what of the differences is more than chance.

    Besides the options below: --config FILE and any --section.field VALUE of engine/train.py (python engine/train.py --help lists them),
    for all runs alike; of a file, run.* and scheduler.name are passed over. What a scheduler has no use for is left out of its runs.
    Stopped at any point the same command goes on; runs that are finished stay. Started more than once at a time, once per GPU with
    CUDA_VISIBLE_DEVICES for example, it shares the runs among the processes. A variant of which a run diverges is left out of the
    report, which says so. Exit codes: 0 done, 1 runs diverged (the others are compared), 2 wrong arguments or configuration, 3 bad data,
    4 bad checkpoint or weights, 75 stopped by a signal.
    """

    schedulers: tuple[str, ...] = ("stl", "mtl", "random", "dst")
    """What is compared: dst, mtl, stl, random, drop_balanced, static, or a class of your own as module:Class. `stl` is a run per task;
    p-values are against `mtl`; `static` takes each seed's mean P from this comparison's `dst`, or else its weights from
    scheduler.weights."""
    balancers: tuple[str, ...] = ()
    """Values of loss.balancer, such as torchjd.pcgrad: each is one more variant, `mtl` with that balancer."""
    seeds: int = 3
    """Number of seeds: first_seed, first_seed + 1, …; the same for every variant."""
    first_seed: int = 0
    """The first seed."""
    sweep: tuple[str, ...] = ()
    """One setting and its values, such as scheduler.rate 0.1 0.3: a variant with each, of the schedulers for which it has an effect."""
    out: Path = Path("runs/compare")
    """Folder for the runs and the report; runs of other variants in it are left alone."""
    metric: Measure = "balanced_accuracy"
    """What the verdict, Δm, negative transfer and p-values are about: balanced_accuracy, accuracy or f1."""
    bootstrap: int = 2000
    """Resamples of the paired bootstrap; no p-value can be smaller than about 2 / this."""

    def __post_init__(self) -> None:
        """Check what needs no configuration.

        Raises:
            ConfigurationError: A value is out of range, or given twice.
        """
        _refuse(not self.schedulers and not self.balancers, "--schedulers names none; expected e.g. mtl dst")
        for name in self.schedulers:
            check_scheduler_name(name, "--schedulers")
        _refuse(self.seeds < 1, f"--seeds is {self.seeds}, expected at least 1")
        _refuse(self.first_seed < 0, f"--first-seed is {self.first_seed}, expected at least 0")
        _refuse(self.bootstrap < 100, f"--bootstrap is {self.bootstrap}, expected at least 100")
        _refuse(len(self.sweep) == 1, f"--sweep {' '.join(self.sweep)}: no value; expected e.g. scheduler.rate 0.1 0.3")
        _refuse("none" in self.balancers, "--balancers names none, which is mtl itself; add mtl to --schedulers")
        for name, values in (("schedulers", self.schedulers), ("balancers", self.balancers), ("sweep", self.sweep[1:])):
            twice = next((value for value in values if values.count(value) > 1), None)
            _refuse(twice is not None, f"--{name} names {twice} twice")


def _refuse(condition: bool, message: str) -> None:
    if condition:
        raise ConfigurationError(message)
