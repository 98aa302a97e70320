"""Classes of the user's own by the names of their modules, and their options."""

import sys

import pytest

from engine.config import SchedulerConfig
from engine.dst.build import build_scheduler, own_class
from shards.errors import ConfigurationError
from tests.round_robin import RoundRobin
from tests.unit.dst.built import facts, scheduler

NAME = "tests.round_robin:RoundRobin"


def test_options_arrive_as_the_constructor_annotates_them():
    built = scheduler(facts(("a", "b", "c")), name=NAME, options={"at_a_time": "2"})
    assert isinstance(built, RoundRobin)
    assert built.mask(0, 1).tolist() == [True, False, True]
    assert scheduler(facts(("a", "b", "c")), name=NAME).mask(0, 1).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "round_robin"}, "scheduler.name: there is no scheduler 'round_robin'; .*expected dst, mtl, .*module:Class"),
        ({"name": "mlt"}, "there is no scheduler 'mlt'; did you mean 'mtl'"),
        (
            {"name": "gone.module:Class"},
            r"gone.module:Class: cannot be loaded \(ModuleNotFoundError: No module named 'gone'",
        ),
        ({"name": "tests.round_robin:Robin"}, r"cannot be loaded \(AttributeError: .*Robin"),
        ({"name": "tests.round_robin:np"}, "tests.round_robin:np: is no class; see the contract in engine/dst/scheduler.py"),
        ({"name": "engine.dst.history:LossHistory"}, "LossHistory: lacks probabilities, mask; see the contract"),
        (
            {"name": NAME, "options": {"at_a_tim": "2"}},
            "names 'at_a_tim', which .* does not take; did you mean 'at_a_time'",
        ),
        ({"name": NAME, "options": {"at_a_time": "two"}}, "scheduler.options at_a_time is 'two', expected int"),
        ({"name": NAME, "rate": 0.5}, f"scheduler.rate has no effect with scheduler.name {NAME}; leave it out"),
        ({"name": "mtl", "options": {"a": "1"}}, "scheduler.options has no effect with scheduler.name mtl; leave it out"),
    ],
)
def test_what_is_wrong_is_refused(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        build_scheduler(SchedulerConfig(**settings), facts(("a", "b")))


def test_a_module_of_the_working_folder_is_found_and_its_options_are_checked(tmp_path, monkeypatch):
    (tmp_path / "mine_of_the_test.py").write_text(
        "from tests.round_robin import RoundRobin\n"
        "class Mine(RoundRobin):\n"
        "    def __init__(self, run, *, share: float, tasks: list = (), on: bool = False, name: str = ''):\n"
        "        super().__init__(run)\n"
        "        self.given = (share, on, name)\n"
        "class Named(RoundRobin):\n"
        "    def __init__(self, run: 'Unknown', *, plain='x', share: 'float' = 1.0, odd: 'Unknown' = None):\n"
        "        super().__init__(run)\n"
        "        self.given = (plain, share)\n"
        "class Broken:\n"
        "    drops_tasks = True\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    name = "mine_of_the_test:Mine"
    built = scheduler(facts(("a",)), name=name, options={"share": "0.5", "on": "True", "name": "x"})
    assert built.given == (0.5, True, "x")
    for options, message in (
        ({}, "scheduler.options lacks 'share', which mine_of_the_test:Mine needs"),
        ({"share": "1", "tasks": "a"}, "scheduler.options tasks: .* annotates it as <class 'list'>, expected int, float, bool or str"),
        ({"share": "1", "on": "maybe"}, "scheduler.options on is 'maybe', expected bool"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            scheduler(facts(("a",)), name=name, options=options)
    assert scheduler(facts(("a",)), name="mine_of_the_test:Named", options={"plain": "1", "share": "2"}).given == ("1", 2.0)
    with pytest.raises(ConfigurationError, match=r"scheduler.options odd: .* annotates it as Unknown, expected int"):
        scheduler(facts(("a",)), name="mine_of_the_test:Named", options={"odd": "1"})
    with pytest.raises(ConfigurationError, match="Broken: lacks probabilities, mask, loss_weights, wants_gradients"):
        own_class("mine_of_the_test:Broken")
