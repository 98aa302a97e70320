"""What holds for every scheduler, whatever the tasks, the settings and the losses."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.config import SCHEDULERS, SchedulerConfig
from engine.dst.build import build_scheduler
from engine.dst.scheduler import RunFacts, Scheduler
from tests.unit.dst.test_masks import rates

NAMES = SCHEDULERS
METRICS = ("depth", "count", "incompleteness", "stagnancy", "regulariser")
STEPS_PER_EPOCH = 1100
# Multiples of a thousandth: a change is either none or far above rounding.
LOSS = st.integers(0, 5000).map(lambda value: value / 1000)
STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3000)), min_size=1, max_size=8)


@dataclass(frozen=True)
class Case:
    """A scheduler's arguments and a history."""

    options: dict[str, Any]
    tasks: list[str]
    depths: list[int]
    counts: list[int]
    history: np.ndarray
    seed: int = 0

    def build(self, num_epochs: int = 0) -> Scheduler:
        config = SchedulerConfig(**self.options)
        run = RunFacts(
            tasks=tuple(self.tasks),
            depths=tuple(self.depths),
            counts=tuple(self.counts),
            seed=self.seed,
            steps_per_epoch=STEPS_PER_EPOCH,
        )
        built = build_scheduler(config, run)
        for epoch in range(num_epochs):
            built.observe(epoch, self.history[epoch])
        return built


@st.composite
def options(draw: st.DrawFn, name: str, tasks: list[str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {"name": name}
    if name == "dst":
        parts = draw(st.tuples(*[st.integers(0, 4)] * 5).filter(any))
        chosen |= {metric: part / sum(parts) for metric, part in zip(METRICS, parts, strict=True)}
    if name in ("random", "drop_balanced"):
        chosen["rate"] = draw(st.sampled_from([0.0, 0.25, 0.3, 0.8]))
    if name == "drop_balanced":
        chosen["floor"] = draw(st.sampled_from([0.01, 0.05, 0.15]))
    if name in ("dst", "random", "drop_balanced"):
        chosen["granularity"] = draw(st.sampled_from(["step", "epoch"]))
    if name == "static":
        chosen["weights"] = {task: draw(st.sampled_from([0.25, 1.0, 1.5])) for task in tasks}
    return chosen


@st.composite
def cases(draw: st.DrawFn, names: tuple[str, ...] = NAMES) -> Case:
    name = draw(st.sampled_from(names))
    num_tasks = 1 if name == "stl" else draw(st.integers(1, 5))
    tasks = [f"task{number}" for number in range(num_tasks)]
    row = st.lists(LOSS, min_size=num_tasks, max_size=num_tasks)
    return Case(
        options=draw(options(name, tasks)),
        tasks=tasks,
        depths=draw(st.lists(st.integers(1, 20), min_size=num_tasks, max_size=num_tasks)),
        counts=draw(st.lists(st.integers(0, 1000), min_size=num_tasks, max_size=num_tasks)),
        history=np.array(draw(st.lists(row, min_size=4, max_size=4))),
        seed=draw(st.integers(0, 2**32)),
    )


@given(cases())
def test_probabilities_are_probabilities_and_weights_are_positive(case):
    built = case.build(4)
    for epoch in range(5):
        probabilities, weights = built.probabilities(epoch), built.loss_weights(epoch)
        assert probabilities.shape == weights.shape == (len(case.tasks),)
        assert probabilities.dtype == weights.dtype == np.float64
        assert ((probabilities > 0) & (probabilities <= 1)).all()
        assert ((weights > 0) & np.isfinite(weights)).all()


@given(cases(("dst",)))
def test_stagnancy_alone_never_goes_below_a_share_of_one(case):
    alone = Case({"stagnancy": 1.0} | dict.fromkeys(set(METRICS) - {"stagnancy"}, 0.0), case.tasks, case.depths, case.counts, case.history)
    for epoch in range(5):
        assert (alone.build(4).probabilities(epoch) >= 1 / len(case.tasks) - 1e-12).all()


# The counts of drop_balanced come from masks, and masks go by a task's place.
@given(cases(tuple(name for name in NAMES if name != "drop_balanced")), st.randoms(use_true_random=False))
def test_tasks_may_be_permuted(case, random):
    order = list(range(len(case.tasks)))
    random.shuffle(order)
    lists = ([values[place] for place in order] for values in (case.tasks, case.depths, case.counts))
    permuted = Case(case.options, *lists, history=case.history[:, order], seed=case.seed)
    for epoch in range(5):
        assert permuted.build(4).probabilities(epoch) == pytest.approx(case.build(4).probabilities(epoch)[order], rel=1e-6)
        assert np.array_equal(permuted.build().loss_weights(epoch), case.build().loss_weights(epoch)[order])


@given(cases(), st.lists(st.floats(0.01, 100), min_size=5, max_size=5), st.floats(0.01, 100))
def test_losses_may_be_scaled_each_by_itself_or_all_together(case, factors, factor):
    for scales in (np.array(factors[: len(case.tasks)]), np.full(len(case.tasks), factor)):
        scaled = Case(case.options, case.tasks, case.depths, case.counts, case.history * scales, case.seed)
        for epoch in range(5):
            assert scaled.build(4).probabilities(epoch) == pytest.approx(case.build(4).probabilities(epoch), rel=1e-6)


@given(cases())
def test_no_step_is_without_a_task(case):
    built = case.build(4)
    masks = np.array([built.mask(epoch, step) for epoch in range(5) for step in range(20)])
    assert masks.dtype == np.bool_
    assert masks.any(1).all()


@given(cases(), STEPS, st.integers(0, 3))
def test_masks_do_not_depend_on_what_was_asked_before(case, steps, late):
    asked, fresh = case.build(), case.build(4)
    # One object is asked as the run goes on, some steps twice, the other afterwards and backwards.
    masks = {}
    for epoch in range(4):
        for step in [step for at, step in steps if at == epoch] * 2:
            masks[epoch, step] = asked.mask(epoch, step)
            asked.probabilities(min(late, epoch))
        asked.observe(epoch, case.history[epoch])
    for (epoch, step), mask in reversed(masks.items()):
        assert np.array_equal(fresh.mask(epoch, step), mask)
        assert np.array_equal(case.build(epoch).mask(epoch, step), mask)


@given(cases(), st.integers(0, 4), STEPS)
def test_a_state_that_went_through_json_goes_on_as_if_nothing_had_happened(case, num_epochs, steps):
    whole, restored = case.build(4), case.build()
    restored.load_state_dict(json.loads(json.dumps(case.build(num_epochs).state_dict(), allow_nan=False)))
    for epoch in range(num_epochs, 5):
        assert np.array_equal(restored.probabilities(epoch), whole.probabilities(epoch))
        assert np.array_equal(restored.loss_weights(epoch), whole.loss_weights(epoch))
        for _, step in steps:
            assert np.array_equal(restored.mask(epoch, step), whole.mask(epoch, step))
        if epoch < 4:
            restored.observe(epoch, case.history[epoch])
    assert restored.state_dict() == whole.state_dict()


@given(cases())
def test_a_state_of_other_tasks_is_refused(case):
    assume(len(case.tasks) > 1)
    other = Case(case.options, case.tasks[::-1], case.depths, case.counts, case.history, case.seed)
    with pytest.raises(ValueError, match="state is of tasks"):
        other.build().load_state_dict(case.build(1).state_dict())


SETTINGS = {
    "dst": {},
    "mtl": {},
    "random": {"rate": 0.6},
    "drop_balanced": {"rate": 0.4},
    "static": {"weights": {"a": 0.5, "b": 1, "c": 1, "d": 1}},
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SETTINGS)
def test_tasks_are_trained_as_often_as_p_says(name, seed):
    history = np.array([(0.8, 0.8, 0.8, 0.8), (0.8, 0.4, 0.8, 0.4)])
    case = Case({"name": name} | SETTINGS[name], list("abcd"), [18, 9, 18, 18], [100, 100, 10, 100], history, seed)
    built = case.build(2)
    for epoch in range(3):
        masks = np.array([built.mask(epoch, step) for step in range(8000)])
        expected = rates(built.probabilities(epoch))
        assert (np.abs(masks.mean(0) - expected) <= 5 * np.sqrt(np.maximum(0, expected * (1 - expected)) / len(masks)) + 1e-12).all()
