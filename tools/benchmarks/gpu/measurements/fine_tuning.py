"""9: training the whole trunk: what repeating a run exactly costs, what a checkpoint costs, and whether two runs are the same."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from accelerate import Accelerator

from engine.config import Config
from engine.journal.history import RunHistory
from engine.loop import trainer as trainer_module
from engine.loop.weights_file import WEIGHTS
from engine.run import run as run_module
from tools.benchmarks.gpu.figure import Figure
from tools.benchmarks.gpu.training import images_per_second, in_words, scratch, train
from tools.benchmarks.gpu.work import Work


def measure(work: Work) -> Iterator[Figure]:
    """Yield rates with deterministic kernels and without, the checkpoint's time and size, and the runs' differences."""
    with scratch(work) as folder:
        spent: list[float] = []
        one = _train(work, folder / "one", spent)
        (record,) = one.loaders.values()
        yield Figure(
            what="deterministic kernels", value=images_per_second(record), unit="images/s", note=in_words(record), expected="3,300"
        )
        if record.gpu_peak_bytes is not None:
            free, total = torch.cuda.mem_get_info()
            note = f"{(total - free) / 2**30:.1f} GiB taken of the card by everybody"
            yield Figure(what="most memory of torch", value=record.gpu_peak_bytes / 2**30, unit="GiB", note=note)
        checkpoint = next((folder / "one" / "checkpoints").iterdir())
        size = sum(path.stat().st_size for path in checkpoint.iterdir())
        yield Figure(what="a checkpoint, all ranks waiting", value=spent[0], unit="s", note=f"{size / 1e9:.2f} GB", expected="8 to 15")
        two = _train(work, folder / "two", [])
        same = (folder / "one" / WEIGHTS).read_bytes() == (folder / "two" / WEIGHTS).read_bytes() and one.epochs == two.epochs
        yield Figure(
            what="two runs, losses and weights", value="the same bit for bit" if same else "different", expected="the same bit for bit"
        )
        with patch.object(run_module, "_accelerator", _without_determinism(run_module._accelerator)):  # noqa: SLF001 (no setting changes it)
            (record,) = _train(work, folder / "free", []).loaders.values()
        yield Figure(
            what="any kernels", value=images_per_second(record), unit="images/s", note=in_words(record), expected="a little faster"
        )


def _train(work: Work, run_dir: Path, spent: list[float]) -> RunHistory:
    write = trainer_module.write_checkpoint

    def timed(*arguments: Any) -> None:  # noqa: ANN401
        started = time.perf_counter()
        write(*arguments)
        spent.append(time.perf_counter() - started)

    limit = work.few_steps * work.batch_size
    # A rate that a random trunk of this depth can be trained at without numbers that overflow.
    settings = {"model__train_from": "all", "optimizer__lr": 1e-5, "data__limit": min(limit, work.num_train)}
    with patch.object(trainer_module, "write_checkpoint", timed):
        return train(work, run_dir, **settings)


def _without_determinism(build: Any) -> Any:  # noqa: ANN401 (a function)
    def changed(config: Config) -> Accelerator:
        accelerator = build(config)
        torch.backends.cudnn.deterministic = False
        return accelerator

    return changed
