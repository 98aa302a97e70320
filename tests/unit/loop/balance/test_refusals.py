"""Balancers that a run has no use for."""

from pathlib import Path

import pytest
from accelerate import Accelerator

from engine.config import Config, DataConfig, LossConfig, ModelConfig, RunConfig, SchedulerConfig, TrainConfig
from engine.loop.balance import check
from engine.loop.balance.build import build_balancer
from engine.model.multitask import build_model, build_trunk
from shards.errors import ConfigurationError
from tests.unit.loop.balance.small import DROPPING, GRADIENTS, LOSSES, NEED_ALL, TASKS

EVERY = (*LOSSES, *GRADIENTS)


def config(name, scheduler="mtl", **sections) -> Config:
    settings = {"name": scheduler} | ({"weights": dict.fromkeys(TASKS, 1.0)} if scheduler == "static" else {})
    return Config(
        run=RunConfig(dir=Path("r")),
        data=DataConfig(shards="s", tasks=TASKS),
        loss=LossConfig(balancer=name),
        scheduler=SchedulerConfig(**settings),
        **sections,
    )


def checked(name, *, tasks=TASKS, num_missing=(0, 0, 0), world_size=1, model=None, **sections):
    # A frozen first layer: what is shared are the hidden layers.
    model = model or ModelConfig(trunk="vgg11", weights="none", tap="conv1_1")
    whole = config(name, model=model, **sections)
    check.check_balancer(whole, tasks, num_missing=num_missing, world_size=world_size)
    check.check_sharing(whole, build_trunk(model, tasks, 0), tasks)


@pytest.mark.parametrize("name", EVERY)
def test_one_task_and_weights_twice(name):
    with pytest.raises(ConfigurationError, match=f"loss.balancer {name} has no effect with scheduler.name stl: there is one task"):
        config(name, "stl")
    with pytest.raises(ConfigurationError, match=f"loss.balancer {name} and scheduler.name static both weigh the tasks"):
        config(name, "static")
    with pytest.raises(ConfigurationError, match=f"loss.balancer {name} has no effect with one task; leave it out"):
        checked(name, tasks=("a",), num_missing=(0,))


@pytest.mark.parametrize("scheduler", ["dst", "random", "drop_balanced"])
def test_schedulers_that_drop(scheduler):
    for name in DROPPING:
        assert config(name, scheduler).loss.balancer == name
    for name in NEED_ALL:
        with pytest.raises(ConfigurationError, match=f"{name} needs every task in every step, and scheduler.name {scheduler} drops tasks"):
            config(name, scheduler)


@pytest.mark.parametrize("name", NEED_ALL)
def test_missing_labels(name):
    with pytest.raises(ConfigurationError, match=f"{name} needs every task in every step, and 7 training samples have no label of b"):
        checked(name, num_missing=(0, 7, 0))


@pytest.mark.parametrize("name", DROPPING)
def test_missing_labels_are_no_matter_where_tasks_may_be_dropped(name):
    checked(name, num_missing=(0, 7, 0))


@pytest.mark.parametrize("name", GRADIENTS)
def test_what_gradients_forbid(name):
    with pytest.raises(ConfigurationError, match=f"loss.balancer {name} cannot work with train.precision fp16"):
        config(name, train=TrainConfig(precision="fp16"))
    with pytest.raises(ConfigurationError, match=f"loss.balancer {name} needs a backward pass per task, which a compiled model"):
        config(name, model=ModelConfig(compile=True))
    alone = ModelConfig(trunk="vgg11", weights="none", tap="conv1_1", task_hidden={"b": "8"})
    with pytest.raises(ConfigurationError, match=f"{name} balances gradients of .* layers that tasks share, and b shares none with"):
        checked(name, model=alone)


@pytest.mark.parametrize("name", [*GRADIENTS, "torchjd.famo"])
def test_a_batch_in_parts(name):
    for world_size in (1, 2):
        train = TrainConfig(batch_size=8, micro_batch_size=8 // world_size)
        checked(name, world_size=world_size, train=train)
    with pytest.raises(ConfigurationError, match=r"cannot train a batch in parts: .*; train.micro_batch_size is 3, expected at least 4, a"):
        checked(name, world_size=2, train=TrainConfig(batch_size=8, micro_batch_size=3))


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "torchjd.famo"])
def test_a_batch_in_parts_is_no_matter_to_weights_known_before(name):
    checked(name, train=TrainConfig(batch_size=8, micro_batch_size=3))


@pytest.mark.parametrize("name", EVERY)
def test_without_the_extra(name, monkeypatch):
    monkeypatch.setattr(check, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=rf"loss.balancer {name} needs TorchJD: pip install -e '.\[balance\]'"):
        checked(name)
    checked("none")


def test_a_solver_is_named_that_this_python_has_no_package_of(monkeypatch):
    monkeypatch.setattr(check, "find_spec", lambda library: None if library == "ecos" else library)
    monkeypatch.setattr(check.sys, "version_info", (3, 13, 0))
    with pytest.raises(ConfigurationError, match=r"torchjd.nash_mtl needs the solver ECOS, which has no package for Python 3\.13"):
        checked("torchjd.nash_mtl")
    checked("torchjd.cagrad")


def test_none_is_none():
    checked("none")
    model = ModelConfig(trunk="vgg11", weights="none", tap="conv1_1")
    module = build_model(model, build_trunk(model, TASKS, 0), TASKS, 0)
    assert build_balancer(config("none", model=model), Accelerator(cpu=True), module) is None
