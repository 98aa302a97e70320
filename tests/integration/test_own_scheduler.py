"""A scheduler of a user's own: trained, resumed, compared, reported, without a change to the engine."""

import json

import numpy as np
import pytest

from engine.command_line import parse
from engine.compare.command import compare
from engine.journal.history import read_history
from engine.loop import trainer as trainer_module
from engine.report.command import ReportOptions, report
from engine.run.run import run
from shards.errors import CheckpointError, Interrupted
from tests.conftest import forget_accelerator
from tests.integration.conftest import flags, records, results, train
from tests.integration.test_compare import words
from tests.integration.test_train import assert_same_run
from tests.launch import Nursery, light_vgg11

ROUND_ROBIN = {"scheduler__name": "tests.round_robin:RoundRobin", "train__epochs": 2}
LEAST_CONFLICT = {"scheduler__name": "tests.round_robin:LeastConflict", "train__epochs": 2}


@pytest.fixture(autouse=True)
def _light(monkeypatch):
    monkeypatch.setattr("torchvision.models.vgg11", light_vgg11)


def stop_at(monkeypatch, epoch, step):
    """Stop as a signal would, after a step."""
    agreed = trainer_module.StopRequest.agreed

    def asked(self, *, reported):
        agreed(self, reported=reported)
        return trainer.position == trainer_module.Position(epoch=epoch, step=step)

    def keep(self, _):
        nonlocal trainer
        trainer = self

    trainer = None
    monkeypatch.setattr(trainer_module.Trainer, "before", keep)
    monkeypatch.setattr(trainer_module.StopRequest, "agreed", asked)


@pytest.mark.parametrize("options", [ROUND_ROBIN | {"scheduler__options": "at_a_time 2"}, LEAST_CONFLICT], ids=["round-robin", "gradients"])
def test_it_trains_and_goes_on_exactly(shards, tmp_path, monkeypatch, options):
    def arguments(folder, **more):
        given = flags(shards, tmp_path / folder, **(options | more))
        if "scheduler__options" in options:
            place = given.index("--scheduler.options")
            given[place + 1 : place + 2] = options["scheduler__options"].split()
        return given

    run(parse(arguments("whole")))
    with monkeypatch.context() as patch:
        stop_at(patch, 1, 3)
        forget_accelerator()
        with pytest.raises(Interrupted):
            run(parse(arguments("cut")))
    forget_accelerator()
    run(parse(arguments("cut", run__if_exists="resume")))
    assert_same_run(tmp_path / "cut", tmp_path / "whole")
    masks = [read_history(tmp_path / name).trained_tasks() for name in ("whole", "cut")]
    assert np.array_equal(*masks)
    assert (masks[0].sum(1) == 2).all()
    with pytest.raises(CheckpointError, match=r"scheduler.name was tests.round_robin:\w+, is mtl"):
        train(shards, tmp_path / "cut", run__if_exists="resume", train__epochs=2, scheduler__name="mtl")


def test_a_run_goes_on_under_the_same_code_only(shards, tmp_path, monkeypatch):
    train(shards, tmp_path / "run", **ROUND_ROBIN)
    monkeypatch.setattr("engine.run.facts.code_of", lambda _: "another class")
    forget_accelerator()
    with pytest.raises(CheckpointError, match=r"code of the scheduler was [0-9a-f]{16}, is "):
        train(shards, tmp_path / "run", run__if_exists="resume", **ROUND_ROBIN)


def test_two_ranks_train_the_same_tasks(shards, tmp_path):
    nursery = Nursery(tmp_path)
    try:
        for name, processes in (("one", 1), ("two", 2)):
            arguments = flags(shards, tmp_path / name, **LEAST_CONFLICT, train__batch_size=8)
            children = nursery.start_two(arguments) if processes == 2 else [nursery.start(arguments)]
            assert all(child.finish(240)[0] == 0 for child in children)
    finally:
        nursery.close()
    one, two = (read_history(tmp_path / name).trained_tasks() for name in ("one", "two"))
    assert np.array_equal(one, two)
    losses = [[line["loss"] for line in results(records(tmp_path / name)) if line["record"] == "EpochRecord"] for name in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_it_is_compared_and_reported(shards, tmp_path, capsys):
    name = ROUND_ROBIN["scheduler__name"]
    compare(words(shards, tmp_path / "out", "--schedulers", "stl", "mtl", name, "--seeds", "2"))
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    (own,) = [variant for variant in found["variants"] if variant["scheduler"] == name]
    assert own["drops_tasks"]
    assert own["baseline"] == "mtl"
    assert own["probabilities"] == [[0.5, 0.5]]
    assert "Nothing here shows that dropping tasks helps" in capsys.readouterr().out
    pictures = {path.name for path in (tmp_path / "out" / "plots").iterdir()}
    assert any(picture.startswith("active-tests.round_robin_RoundRobin") for picture in pictures)
    (folder,) = (tmp_path / "out" / "runs").glob("tests.round_robin*/seed-0")
    report(ReportOptions(folder=folder))
    page = (folder / "report.html").read_text()
    assert name in page
    masks = read_history(folder).trained_tasks()
    assert masks.tolist() == [[True, False], [False, True]] * (len(masks) // 2)
