"""From a configuration to a finished run: builds the parts and hands them to the loop."""

import time
from contextlib import ExitStack

import torch
from accelerate import Accelerator

from engine.command_line import to_yaml
from engine.config import Config
from engine.data import Data, open_data
from engine.gpu_driver import check_driver, uses_cpu
from engine.journal.records import Record
from engine.launcher import limit_threads, start_accelerator
from engine.loop.lost_rank import lost_ranks_told
from engine.loop.trainer import Trainer
from engine.report.feature_progress import feature_progress
from engine.report.reporter import open_reporter
from engine.run.construction import Shared, build_order, build_parts, identity_before_model
from engine.run.earlier import is_finished, what_begins_anew
from engine.run.facts import run_record, warnings
from engine.run.folder import CONFIG_FILE, check_folder, own_folder
from shards.command import one_line
from shards.errors import ConfigurationError
from shards.files import write_text


def run(config: Config, shared: Shared | None = None) -> bool:
    """Train as configured.

    Args:
        config: The run.
        shared: What earlier runs of this process have built, for runs that have a frozen trunk or features in common.

    Returns:
        Whether SIGTERM or SIGINT has come when there was nothing left to stop for: the run is finished.

    Raises:
        DropstreamError: Whatever the user can mend; see `shards.errors`.
    """
    started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    accelerator = _accelerator(config)
    data = open_data(config.data)
    _check(config, data, accelerator)
    with lost_ranks_told(accelerator):
        finished = _is_finished(config, accelerator, data)
    if finished:
        if accelerator.is_main_process and config.report.console != "quiet":
            print(one_line(f"run.dir {config.run.dir}: the run is finished; nothing to do"))
        accelerator.end_training()
        return False
    with lost_ranks_told(accelerator):
        came_late = _train(config, accelerator, data, shared or Shared(), started)
    accelerator.end_training()
    return came_late


def _train(config: Config, accelerator: Accelerator, data: Data, shared: Shared, started: str) -> bool:
    # Every rank looks before any of them writes.
    begins_anew = what_begins_anew(config, data.in_words())
    if accelerator.is_main_process:
        # Features may take hours: what can be known before is told before.
        check_folder(config.run.dir, config.run.if_exists)
    with feature_progress(config.report.console, is_shown=accelerator.is_main_process) as progress:
        parts = build_parts(config, accelerator, data, shared, progress)
    report = config.report
    with ExitStack() as held:
        reporter = None
        if accelerator.is_main_process:
            # Only when everything is built: a start that fails leaves no folder behind.
            held.enter_context(own_folder(config.run.dir, config.run.if_exists))
            reporter = held.enter_context(open_reporter(config.run.dir, report.console, with_page=report.page))
        accelerator.wait_for_everyone()
        emit = reporter.emit if reporter else _ignore
        trainer = Trainer(parts, emit)
        if reporter:
            write_text(config.run.dir / CONFIG_FILE, to_yaml(config))
            for warning in (*([begins_anew] if begins_anew else ()), *warnings(parts, data.tasks)):
                reporter.print(warning)
        emit(run_record(parts, trainer, data, started))
        return trainer.fit()


def _is_finished(config: Config, accelerator: Accelerator, data: Data) -> bool:
    """Return whether there is nothing left to do, on all ranks alike."""
    own = is_finished(config, identity_before_model(config, accelerator, data), data.in_words())
    found = accelerator.gather(torch.tensor([own], device=accelerator.device)).tolist()
    other = next((rank for rank, finished in enumerate(found) if finished != found[0]), None)
    if other is not None:
        first, its = ("finished" if finished else "not finished" for finished in (found[0], found[other]))
        raise ConfigurationError(
            f"run.dir {config.run.dir}: process 0 finds its run {first}, and process {other} {its}; "
            "name a folder that all processes have in common"
        )
    return own


def _ignore(_record: Record) -> None:
    """Take a record on a rank that does not report."""


def _accelerator(config: Config) -> Accelerator:
    check_driver()
    limit_threads()
    # Repeating a run exactly matters more than cuDNN's fastest algorithm, which is chosen by timing and may sum in any order.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if config.train.precision == "fp16" and (not torch.cuda.is_available() or uses_cpu()):
        raise ConfigurationError("train.precision fp16 needs a GPU; use bf16 or no")
    return start_accelerator(config)


def _check(config: Config, data: Data, accelerator: Accelerator) -> None:
    """Refuse what only data set and devices together can show to be wrong."""
    world_size = accelerator.num_processes
    batch_size, num_train = config.train.batch_size, len(data.ids["train"])
    if batch_size % world_size:
        raise ConfigurationError(f"train.batch_size {batch_size} cannot be shared evenly by {world_size} processes")
    if num_train < (batch_size if config.pipeline.drop_last else 1):
        raise ConfigurationError(f"there are {num_train} training samples, too few for one batch of {batch_size}; lower train.batch_size")
    if config.report.threshold == "val" and not len(data.ids["val"]):
        raise ConfigurationError("report.threshold is val, but the val split is empty; use half")
    steps = config.train.epochs * build_order(config, data, "train").steps_per_epoch
    if config.optimizer.warmup_steps >= steps:
        raise ConfigurationError(f"optimizer.warmup_steps is {config.optimizer.warmup_steps}, but the whole run has {steps} steps")
