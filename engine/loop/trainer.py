"""The training loop: epochs of steps, evaluation, checkpoints, records."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from shlex import quote
from typing import NoReturn

import torch
from torch import Tensor

from engine.dst.history import check_losses
from engine.journal.masks import MaskTally
from engine.journal.predictions import write_predictions
from engine.journal.records import EndRecord, EpochRecord, Record, StepRecord
from engine.loop.checkpoint import CHECKPOINTS, STATE, latest_checkpoint, write_checkpoint
from engine.loop.clock import Clock
from engine.loop.dropout import seed_dropout
from engine.loop.evaluate import evaluate, predictions_of, share_statistics
from engine.loop.optimizer import learning_rate_factor
from engine.loop.restore import fits, restore
from engine.loop.skipped import Skipped
from engine.loop.state import Position, check_same_position, check_weights, take_snapshot
from engine.loop.step import TrainStep
from engine.loop.stop import StopRequest, WaitedTooLong
from engine.loop.tally import EpochTally
from engine.loop.training_parts import TrainingParts
from engine.loop.weights_file import write_weights
from engine.pipeline.loader import Loader
from shards.errors import DivergenceError, Interrupted, InterruptedWaiting

_MOST_KEYS = 5


class Trainer:
    """Trains a model to its last epoch, from the beginning or from the newest checkpoint in the run's folder."""

    def __init__(self, parts: TrainingParts, emit: Callable[[Record], None]) -> None:
        """Restore the newest checkpoint, if there is one, and open the training stream.

        Args:
            parts: The built run.
            emit: Takes records; does nothing on ranks other than the first.

        Raises:
            CheckpointError: The checkpoint is damaged or belongs to another run.
            ConfigurationError: The processes do not see one run folder.
        """
        self._started = time.perf_counter()
        self._parts = parts
        self._emit = emit
        self._tally = self._new_tally()
        self._masks = MaskTally()
        self._checkpoints = parts.run_dir / CHECKPOINTS
        newest = latest_checkpoint(self._checkpoints)
        self.position = Position() if newest is None else restore(parts, newest, self._tally)
        check_same_position(parts, self.position)
        self._train_step = TrainStep(
            parts.accelerator,
            parts.model,
            parts.module.readout.heads,
            parts.optimizer,
            shared=parts.module.shared_parameters(),
            pos_weight=parts.pos_weight,
            micro_batch_size=parts.config.train.micro_batch_size,
            balancer=parts.balancer,
        )
        self._base_rates = [group["lr"] for group in parts.raw_optimizer.param_groups]
        self._stop = StopRequest(parts.accelerator)
        self._skipped = Skipped()
        self._uses_chance = parts.module.uses_chance()
        self._loader = parts.make_loader("train")
        with nullcontext() if newest is None else fits(newest / STATE):
            self._loader.seek(self.position.epoch, self.position.step)
        self.steps_per_epoch = self._loader.order.steps_per_epoch
        self._val_loader = parts.make_loader("val") if parts.split_sizes["val"] else None
        self._warm = False

    def fit(self) -> bool:
        """Train, evaluate, write weights and records.

        Returns:
            Whether a signal has come that there was nothing left to stop for.

        Raises:
            Interrupted: A signal came; a checkpoint was written.
            DivergenceError: A loss is not finite.
        """
        try:
            self._train()
        except DivergenceError as error:
            self._emit_end("diverged", str(error))
            raise
        self._emit_end("finished")
        return self._stop.received

    def before(self, what: str) -> None:
        """Do nothing. What watches runs or disturbs them puts something in this place; `position` is that of the step to come.

        Args:
            what: `step`, or the split that is about to be evaluated.
        """

    def _train(self) -> None:
        with self._stop:
            try:
                with self._loader, self._val_loader or nullcontext():
                    while self.position.epoch < self._parts.config.train.epochs:
                        self._run_epoch(self.position.epoch)
                if self._parts.split_sizes["test"]:
                    with self._parts.make_loader("test") as loader:
                        self._evaluate(loader, "test", self._parts.config.train.epochs - 1)
            except WaitedTooLong:
                self._end_waiting()
        check_weights(self._parts.module)
        if self._parts.accelerator.is_main_process:
            parts = self._parts
            write_weights(parts.run_dir, parts.module, parts.config, parts.thresholds.values)

    def _run_epoch(self, epoch: int) -> None:
        self._parts.model.train()
        self._weights = self._loss_weights(epoch)
        clock = Clock(warm=self._warm)
        first = self.position.step
        for step in range(first, self.steps_per_epoch):
            self.before("step")
            self._run_step(epoch, step, clock)
            self._warm = True
        self._close_epoch(epoch, clock, num_steps=self.steps_per_epoch - first)

    def _run_step(self, epoch: int, step: int, clock: Clock) -> None:
        config = self._parts.config
        for group, rate in zip(self._parts.raw_optimizer.param_groups, self._learning_rates(epoch, step), strict=True):
            group["lr"] = rate
        with clock.waiting():
            batch = next(self._loader)
        if self._parts.scheduler.wants_gradients(epoch, step):
            self._seed_dropout(epoch, step)
            self._parts.scheduler.observe_gradients(epoch, step, self._parts.gradients.products(batch))
        mask = self._parts.scheduler.mask(epoch, step)
        self._seed_dropout(epoch, step)
        outcome = self._train_step(batch, mask, self._weights, epoch=epoch, step=step)
        self._tally.add(outcome, batch.num_labelled)
        self._masks.add(step, mask, outcome.trained)
        is_last = step + 1 == self.steps_per_epoch
        reported = is_last or (step + 1) % config.report.every == 0
        loss = self._global_value(outcome.step_loss) if reported else 0.0
        clock.step_done()
        if reported:
            self._check_finite(epoch)
            images_per_second, data_wait_share = clock.since_last_report(config.train.batch_size)
            self._emit(
                StepRecord(
                    epoch=epoch,
                    step=step,
                    loss=loss,
                    active=tuple(outcome.trained.tolist()),
                    images_per_second=images_per_second,
                    data_wait_share=data_wait_share,
                )
            )
        self.position = Position(epoch=epoch, step=step + 1)
        self._save_or_stop(clock, reported=reported, is_last=is_last)

    def _seed_dropout(self, epoch: int, step: int) -> None:
        if self._uses_chance:
            seed_dropout(self._parts.config.run.seed, epoch, step, self._parts.accelerator.process_index)

    def _save_or_stop(self, clock: Clock, *, reported: bool, is_last: bool) -> None:
        every = self._parts.config.train.checkpoint_every
        if self._stop.agreed(reported=reported):
            self._end_early()
        if every and self.position.step % every == 0 and not is_last:
            self._checkpoint()
            clock.pause_over()

    def _close_epoch(self, epoch: int, clock: Clock, num_steps: int) -> None:
        parts = self._parts
        means = self._tally.means(parts.accelerator.reduce(self._tally.sums))
        check_losses(parts.module.tasks, epoch, means.task_losses)
        self._tell_skipped(self._loader, "train", epoch)
        self._tell_masks(epoch)
        self._emit(
            EpochRecord(
                epoch=epoch,
                loss=means.loss,
                task_losses=means.defined_losses,
                probabilities=tuple(parts.scheduler.probabilities(epoch).tolist()),
                active_shares=means.active_shares,
                learning_rate=self._learning_rates(epoch, self.steps_per_epoch - 1)[0],
            )
        )
        device = parts.accelerator.device
        gpu_peak_bytes = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
        self._emit(clock.record(epoch=epoch, num_images=num_steps * parts.config.train.batch_size, gpu_peak_bytes=gpu_peak_bytes))
        if self._val_loader is not None:
            self._evaluate(self._val_loader, "val", epoch)
        # Only now: a run that is stopped in the evaluation does the epoch's end again.
        parts.scheduler.observe(epoch, means.task_losses)
        if parts.balancer is not None:
            parts.balancer.observe(means.task_losses)
        self.position = Position(epoch=epoch + 1)
        self._tally = self._new_tally()
        if self._stop.agreed(reported=True):
            self._end_early()
        self._checkpoint()

    def _evaluate(self, loader: Loader, split: str, epoch: int) -> None:
        self.before(split)
        share_statistics(self._parts)
        found = evaluate(self._parts, loader, split=split, epoch=epoch, should_stop=lambda: self._stop.agreed(reported=True))
        if found is None:
            self._end_early()
        self._tell_skipped(loader, split, epoch)
        if split == "test" and self._parts.accelerator.is_main_process:
            write_predictions(self._parts.run_dir, predictions_of(found, self._parts, loader))
        self._emit(found.record)

    def _tell_skipped(self, loader: Loader, split: str, epoch: int) -> None:
        if self._parts.config.pipeline.on_bad_sample == "skip":
            for record in self._skipped.news(loader, split=split, epoch=epoch):
                self._emit(record)

    def _tell_masks(self, epoch: int) -> None:
        record = self._masks.record(epoch)
        if record is not None:
            self._emit(record)

    def _end_early(self) -> NoReturn:
        self._checkpoint()
        self._emit_end("stopped")
        folder = quote(str(self._parts.run_dir))
        raise Interrupted(f"stopped by a signal after {self.position.in_words()}; go on with --run.dir {folder} --run.if_exists resume")

    def _end_waiting(self) -> NoReturn:
        """End without the batch that does not come."""
        if self._parts.accelerator.num_processes == 1:
            self._end_early()
        # The others wait for this process, in the middle of a step: no checkpoint can have them all.
        self._emit_end("stopped")
        rank, folder = self._parts.accelerator.process_index, quote(str(self._parts.run_dir))
        raise InterruptedWaiting(
            f"stopped by a signal while process {rank} waited for a batch; go on from the newest checkpoint with --run.dir {folder} "
            "--run.if_exists resume"
        )

    def _checkpoint(self) -> None:
        self._check_finite(self.position.epoch)
        # Before the checkpoint: who goes on from it will not meet them again in this epoch.
        self._tell_skipped(self._loader, "train", min(self.position.epoch, self._parts.config.train.epochs - 1))
        self._tell_masks(self.position.epoch)
        snapshot = take_snapshot(self._parts, self.position, self._tally)
        if self._parts.accelerator.is_main_process:
            write_checkpoint(self._checkpoints, self.position.epoch, self.position.step, snapshot)
        self._parts.accelerator.wait_for_everyone()

    def _learning_rates(self, epoch: int, step: int) -> list[float]:
        config = self._parts.config
        num_steps = config.train.epochs * self.steps_per_epoch
        factor = learning_rate_factor(config.optimizer, epoch * self.steps_per_epoch + step, num_steps)
        return [rate * factor for rate in self._base_rates]

    def _global_value(self, step_loss: Tensor) -> float:
        return self._parts.accelerator.reduce(step_loss).item()

    def _loss_weights(self, epoch: int) -> Tensor | None:
        weights = self._parts.scheduler.loss_weights(epoch)
        return None if (weights == 1).all() else torch.from_numpy(weights).float().to(self._parts.accelerator.device)

    def _check_finite(self, epoch: int) -> None:
        """Raise a DivergenceError if any rank has met a loss or gradient that is not finite; the message names step, tasks and samples."""
        found = self._train_step.watch.found(self._parts.accelerator.gather(self._train_step.watch.first[None]))
        if found is not None:
            step, places = found
            tasks = ", ".join(repr(self._parts.module.tasks[place]) for place in places)
            ids = self._loader.order.batch(epoch, step).tolist()
            named = ", ".join(self._parts.key_of(sample) for sample in ids[:_MOST_KEYS])
            keys = f"{named} and {len(ids) - _MOST_KEYS} more" if len(ids) > _MOST_KEYS else named
            raise DivergenceError(
                f"epoch {epoch + 1}, step {step + 1}: the loss or gradient of task {tasks} is not finite in the batch of {keys}; lower "
                "optimizer.lr, use bf16 instead of fp16, or check these samples"
            )

    def _new_tally(self) -> EpochTally:
        accelerator = self._parts.accelerator
        return EpochTally(len(self._parts.module.tasks), accelerator.num_processes, accelerator.device)

    def _emit_end(self, reason: str, detail: str = "") -> None:
        self._tell_masks(self.position.epoch)
        self._emit(EndRecord(reason=reason, seconds=time.perf_counter() - self._started, detail=detail))
