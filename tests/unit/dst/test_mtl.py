"""All tasks, always."""

from engine.dst.mtl import AllTasks
from tests.unit.dst.built import facts

TASKS = ("a", "b", "c")


def test_everything_is_trained_in_full_whatever_the_losses():
    built = AllTasks(facts(TASKS))
    for epoch, losses in enumerate([(0.8, 0.8, 0.8), (0.8, 0.1, 0.0), (9.0, 0.1, 0.0)]):
        assert built.probabilities(epoch).tolist() == [1.0] * 3
        assert built.loss_weights(epoch).tolist() == [1.0] * 3
        assert all(built.mask(epoch, step).tolist() == [True] * 3 for step in (0, 1, 5000))
        built.observe(epoch, losses)
