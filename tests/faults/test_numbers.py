"""F-28, F-29: losses and gradients that are no numbers, dropped heads that stand still, the same masks on any number of ranks."""

import json
import math
import shutil
import socket
from pathlib import Path

import pytest
import torch

from engine.loop import trainer as trainer_module
from engine.loop.checkpoint import latest_checkpoint, read_checkpoint
from engine.pipeline.order import Order
from engine.report import reporter
from shards.dataset import ShardDataset
from shards.errors import DivergenceError
from tests.conftest import ATTRIBUTES, forget_accelerator
from tests.damage import change_array, repair_manifest
from tests.integration.conftest import flags, records, train
from tests.launch import TRAIN

TASKS = ("Young", "Bald", "Bangs")
BAD_EPOCH, BAD_STEP = 1, 2
SHARED = {
    "train__epochs": 3,
    "report__console": "quiet",
    "model__tap": "pool1",
    "optimizer__weight_decay": 0.01,
    "scheduler__name": "mtl",
}
REPORTS = ({"report__every": 1}, {"report__every": 100}, {"report__every": 100, "train__checkpoint_every": 1})


@pytest.fixture
def _no_page(monkeypatch):
    """Drawing the page takes as long as the rest of such a run."""
    monkeypatch.setattr(reporter, "write_outputs", lambda *_, **__: ())


@pytest.fixture
def trainers(monkeypatch) -> list[trainer_module.Trainer]:
    """The trainers that have trained, the last one last."""
    made = []
    monkeypatch.setattr(trainer_module.Trainer, "before", lambda self, _: None if self in made else made.append(self))
    return made


def at_the_bad_step(monkeypatch, do) -> None:
    """Do something to the model when the bad step begins."""
    watched = trainer_module.Trainer.before

    def before(self, what):
        watched(self, what)
        if what == "step" and (self.position.epoch, self.position.step) == (BAD_EPOCH, BAD_STEP):
            do(self._parts.module)

    monkeypatch.setattr(trainer_module.Trainer, "before", before)


def nan_weight(module) -> None:
    with torch.no_grad():
        module.readout.heads[1][-1].weight[0, 3] = math.nan


def infinite_loss(module) -> None:
    with torch.no_grad():
        module.readout.heads[1][-1].bias.fill_(-math.inf)


def infinite_gradient(module) -> None:
    def once(gradient):
        handle.remove()
        return gradient.masked_fill(torch.arange(gradient.shape[1]) == 5, math.inf)

    handle = module.readout.heads[1][-1].weight.register_hook(once)


@pytest.mark.usefixtures("training", "_no_page")
@pytest.mark.parametrize("do", [nan_weight, infinite_loss, infinite_gradient])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("images", REPORTS[1]), *(("features", options) for options in REPORTS)],
    ids=["images", "features", "at-the-epochs-end", "at-a-checkpoint"],
)
def test_f28_it_stops_in_words_and_nothing_but_the_failed_head_is_harmed(shards, tmp_path, monkeypatch, trainers, do, options, kind):
    at_the_bad_step(monkeypatch, do)
    where = {"model__train_from": "heads", "features__dir": tmp_path / "features"} if kind == "features" else {}
    order = Order(ids=ShardDataset(shards).split_range("train"), batch_size=8, seed=0, shuffle="global", drop_last=True)
    keys = ", ".join(ShardDataset(shards).key(sample) for sample in order.batch(BAD_EPOCH, BAD_STEP)[:5].tolist())
    message = rf"epoch 2, step 3: the loss or gradient of task 'Bald' is not finite in the batch of {keys} and 3 more; lower optimizer.lr"
    with pytest.raises(DivergenceError, match=message):
        train(shards, tmp_path / "run", **(SHARED | options | where))
    module = trainers[0]._parts.module
    harmed = {name for name, parameter in module.named_parameters() if not parameter.isfinite().all()}
    assert harmed
    assert all(name.startswith("readout.heads.1.") for name in harmed)
    newest = latest_checkpoint(tmp_path / "run" / "checkpoints")
    steps = BAD_STEP if "train__checkpoint_every" in options else 0
    assert newest.name == f"epoch-{BAD_EPOCH:06d}-step-{steps:08d}"
    tensors = read_checkpoint(newest).tensors
    assert all(value.isfinite().all() for group in tensors.values() for value in group.values())
    # Every record that was written is JSON, and tells of numbers.
    assert all(math.isfinite(line["loss"]) for line in records(tmp_path / "run") if line["record"] in ("StepRecord", "EpochRecord"))
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.usefixtures("training", "_no_page")
def test_f28_the_run_goes_on_from_the_last_checkpoint_when_the_cause_is_gone(shards, tmp_path, monkeypatch):
    options = SHARED | {"model__train_from": "heads", "features__dir": tmp_path / "features"}
    train(shards, tmp_path / "whole", **options)
    forget_accelerator()
    with monkeypatch.context() as patch, pytest.raises(DivergenceError):
        at_the_bad_step(patch, nan_weight)
        train(shards, tmp_path / "run", **options)
    forget_accelerator()
    train(shards, tmp_path / "run", run__if_exists="resume", **options)
    epochs = [[line for line in records(tmp_path / name) if line["record"] == "EpochRecord"] for name in ("run", "whole")]
    assert epochs[0] == epochs[1]


@pytest.mark.usefixtures("training", "_no_page")
@pytest.mark.parametrize("granularity", ["step", "epoch"])
def test_f29_if_all_tasks_are_drawn_off_one_is_kept(shards, tmp_path, granularity):
    options = {"scheduler__name": "random", "scheduler__rate": 0.97, "scheduler__granularity": granularity, "train__epochs": 6}
    where = {"model__train_from": "heads", "features__dir": tmp_path / "features", "report__every": 1, "report__console": "quiet"}
    lines = train(shards, tmp_path / "run", **options, **where)
    active = [sum(line["active"]) for line in lines if line["record"] == "StepRecord"]
    assert len(active) == 36
    # At a rate of 0.97 all three come out off in 91 % of the draws.
    assert min(active) == 1
    assert active.count(1) > 25


# Training that looks at every head before and after each step, and keeps a list of what it saw: [trained, drawn, moved], a bool per task.
WATCHED = f"""
import json, os
import torch
from engine.loop import step, trainer
call, place = step.TrainStep.__call__, os.environ["NOTES"] + "/" + os.environ.get("RANK", "0")

def watched(self, batch, mask, *args, **options):
    heads = [parameters for parameters, _ in self._parts_of[: len(mask)]]
    before = [[value.clone() for value in head] for head in heads]
    outcome = call(self, batch, mask, *args, **options)
    pairs = [list(zip(old, new)) for old, new in zip(before, heads)]
    moved = [[not torch.equal(old, new) for old, new in head] for head in pairs]
    finite = all(new.isfinite().all() for head in pairs for _, new in head)
    with open(place, "a") as file:
        print(json.dumps([outcome.trained.tolist(), mask.tolist(), moved, bool(finite), batch.has_labels.tolist()]), file=file)
    return outcome

step.TrainStep.__call__ = watched
{TRAIN}
"""


@pytest.fixture(scope="module")
def rare(shards, tmp_path_factory) -> Path:
    """The small data set, but hardly anybody has a label for Bald: one training sample in nine."""
    copy = shutil.copytree(shards, tmp_path_factory.mktemp("rare") / "copy")

    def forget(labels) -> None:
        rows = [row for row in range(52) if row % 9]
        labels[rows, ATTRIBUTES.index("Bald")] = -1

    change_array(copy / "labels.npy", forget)
    repair_manifest(copy)
    return copy


OPTIONS = {
    "train__epochs": 4,
    "report__every": 1,
    "report__console": "quiet",
    "model__train_from": "heads",
    "model__task_hidden": "Bangs=4",
    "optimizer__weight_decay": 0.1,
    "optimizer__lr": 0.02,
    "scheduler__depth": 0.0,
    "scheduler__count": 0.3,
    "scheduler__incompleteness": 0.5,
    "scheduler__stagnancy": 0.2,
    "scheduler__regulariser": 0.0,
}


def ranks(nursery, num: int, words: list[str], notes: Path, program: str = WATCHED) -> list:
    """Start so many ranks."""
    notes.mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(num), "LOCAL_WORLD_SIZE": str(num)}
    own = [world | {"RANK": str(rank), "LOCAL_RANK": str(rank)} if num > 1 else {} for rank in range(num)]
    return [nursery.start(words, program, NOTES=str(notes), **variables) for variables in own]


def words(rare: Path, folder: Path, run: str, **options) -> list[str]:
    """The command line; `Bangs=4` is a word for the task and one for its layers."""
    settings = OPTIONS | {"features__dir": folder / "features"} | options
    return [part for word in flags(rare, folder / run, **settings) for part in (word.split("=") if word == "Bangs=4" else [word])]


@pytest.fixture(scope="module")
def trained(rare, nursery, tmp_path_factory) -> Path:
    """A folder with the runs of 1, 2 and 4 ranks, and what each rank saw."""
    folder = tmp_path_factory.mktemp("trained")
    for num in (1, 2, 4):
        children = ranks(nursery, num, words(rare, folder, f"run{num}"), folder / f"seen{num}")
        assert [child.finish()[::2] for child in children] == [(0, "")] * num
    return folder


def seen(folder: Path, rank: int) -> list[list]:
    return [json.loads(line) for line in (folder / str(rank)).read_text().splitlines()]


def masks(run_dir: Path) -> dict[tuple[int, int], list[bool]]:
    return {(line["epoch"], line["step"]): line["active"] for line in records(run_dir) if line["record"] == "StepRecord"}


@pytest.mark.parametrize("num", [1, 2, 4])
def test_f29_a_dropped_head_stands_still_bit_for_bit_and_a_trained_one_moves(trained, num):
    kinds = set()
    for rank in range(num):
        steps = seen(trained / f"seen{num}", rank)
        assert len(steps) == 4 * 6
        for learnt, drawn, moved, finite, labelled in steps:
            assert finite
            assert learnt == [one and other for one, other in zip(drawn, labelled, strict=True)]
            for task in range(3):
                assert set(moved[task]) == {learnt[task]}
                kinds.add((drawn[task], labelled[task]))
    # Dropped by the draw, without a label, both, and neither: all of it happened.
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}


def test_f29_the_same_masks_on_any_number_of_ranks(trained):
    one, *others = (masks(trained / f"run{num}") for num in (1, 2, 4))
    assert len(one) == 4 * 6
    assert all(other == one for other in others)
    assert 10 < sum(map(sum, one.values())) < 3 * 24 - 10


def test_f29_the_same_masks_after_a_resume_with_another_number_of_ranks(trained, rare, nursery, tmp_path):
    shutil.copytree(trained / "features", tmp_path / "features")
    # A signal in the ninth step, then one rank alone.
    stopping = WATCHED.replace(
        "    return outcome", "    len(open(place).readlines()) == 9 and os.kill(os.getpid(), 15)\n    return outcome"
    )
    children = ranks(nursery, 2, words(rare, tmp_path, "run"), tmp_path / "seen", stopping)
    assert [child.finish()[0] for child in children] == [75, 75]
    (child,) = ranks(nursery, 1, words(rare, tmp_path, "run", run__if_exists="resume"), tmp_path / "seen")
    assert child.finish()[::2] == (0, "")
    resumed = [line for line in records(tmp_path / "run") if line["record"] == "RunRecord"]
    assert [(line["resumed_epoch"], line["resumed_step"]) for line in resumed] == [(0, 0), (1, 3)]
    assert masks(tmp_path / "run") == masks(trained / "run1")
