"""Which trained layers several tasks have in common."""

import pytest
import torch

from engine.config import ModelConfig
from engine.loop.balance.shared import lone_tasks, shared_parameters
from engine.model.multitask import build_model, build_trunk
from tests.unit.loop.balance.small import TASKS


def model(**settings) -> ModelConfig:
    return ModelConfig(**({"trunk": "vgg11", "weights": "none", "train_from": "heads", "tap": "conv2_1", "hidden": (4,)} | settings))


CASES = {
    "hidden layers": (model(), []),
    "no hidden layers": (model(hidden=()), ["a", "b", "c"]),
    "one has its own": (model(task_hidden={"b": "3"}), ["b"]),
    "one is left": (model(task_hidden={"b": "3"}, task_taps={"c": "conv1_1"}), ["a", "b", "c"]),
    "trained trunk": (model(train_from="all", task_hidden={"b": "3"}, task_taps={"c": "conv1_1"}), []),
    "no hidden layers on a trained trunk": (model(train_from="all", hidden=()), []),
    "trained from behind a tap": (model(train_from="pool1", task_taps={"c": "conv1_1"}), ["c"]),
    "one reads deeper": (model(train_from="all", task_taps={"c": "conv3_2"}), []),
    "only one reads what is trained": (model(train_from="conv3_1", hidden=(), task_taps={"c": "conv3_2"}), ["a", "b", "c"]),
}


@pytest.mark.parametrize("name", CASES)
def test_shared_is_what_several_tasks_have_gradients_on(name):
    config, lone = CASES[name]
    trunk = build_trunk(config, TASKS, 0)
    module = build_model(config, trunk, TASKS, 0)
    logits = module(torch.randn(16, 3, 16, 16)).sum(0)
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    rows = [torch.autograd.grad(logit, trained, retain_graph=True, materialize_grads=True) for logit in logits]
    users = {
        parameter: [task for task, row in zip(TASKS, rows, strict=True) if row[place].any()] for place, parameter in enumerate(trained)
    }
    shared = {parameter for parameter, tasks in users.items() if len(tasks) > 1}
    assert set(shared_parameters(config, trunk, module.readout, TASKS)) == shared
    assert lone_tasks(config, trunk, TASKS) == lone
    assert lone == [task for task in TASKS if not any(task in users[parameter] for parameter in shared)]
