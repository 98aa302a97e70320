"""The memory of the schedulers."""

import pytest

from engine.dst.history import LossHistory
from shards.errors import DivergenceError
from tests.unit.dst.built import facts


def history() -> LossHistory:
    built = LossHistory(facts(("a", "b")))
    built.observe(0, (0.5, 0.25))
    return built


def test_losses_are_kept_per_epoch():
    built = history()
    built.observe(1, (0.4, 0.2))
    assert built.before(0).shape == (0, 2)
    assert built.before(1).tolist() == [[0.5, 0.25]]
    assert built.before(2).tolist() == [[0.5, 0.25], [0.4, 0.2]]


def test_epochs_must_be_observed_in_turn():
    with pytest.raises(ValueError, match="epoch 2 was observed after 1 epochs, expected epoch 1"):
        history().observe(2, (0.1, 0.1))
    with pytest.raises(ValueError, match="probabilities of epoch 2 need 2 observed epochs, there are 1"):
        history().before(2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_names_its_task_and_is_not_kept(value):
    built = history()
    with pytest.raises(DivergenceError, match=f"task 'b' in epoch 2 is {value}; lower optimizer.lr"):
        built.observe(1, (0.1, value))
    assert built.state_dict() == history().state_dict()


def test_a_state_of_other_tasks_is_refused():
    with pytest.raises(ValueError, match=r"state is of tasks \['a', 'b'\], not \['b', 'a'\]"):
        LossHistory(facts(("b", "a"))).load_state_dict(history().state_dict())
