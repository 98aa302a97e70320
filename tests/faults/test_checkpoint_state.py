"""A checkpoint whose checksums are right and whose state no run has written: refused in words, whatever it holds."""

import json

import pytest
import torch
from safetensors.torch import load, save

from shards.errors import CheckpointError
from tests.fuzz import checkpoints
from tests.fuzz.target import join, split

DST, BALANCED, STATIC, MTL, SGD, FAMO, DWA, SCALED = range(8)


def changed(seed: int, state=None, **tensors) -> bytes:
    """A checkpoint of the harness with other values in its state, by path, or other tensors."""
    choice, checksums, text, *files = split(checkpoints._checkpoints()[seed], 6)
    fields = json.loads(text)
    for path, value in (state or {}).items():
        *parents, last = path.split(".")
        place = fields
        for name in parents:
            place = place[name]
        if value is KeyError:
            del place[last]
        else:
            place[last] = value
    for number, name in enumerate(("model", "optimizer", "balancer")):
        if name in tensors:
            files[number] = save({key: value for key, value in (load(files[number]) | tensors[name]).items() if value is not None})
    return join([choice, checksums, json.dumps(fields).encode(), *files])


@pytest.mark.parametrize("seed", range(8))
def test_what_a_run_has_written_is_restored(seed):
    checkpoints._restore(changed(seed))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"epoch": "1"}, "epoch '1' and step 2 are no counts"),
        ({"step": -1}, "are no counts"),
        ({"step": KeyError}, "are no counts"),
        ({"epoch": 10**30}, "are no counts"),
        ({"epoch": 9}, "has done 9 epochs and 2 steps, and train.epochs is 3"),
        ({"epoch": 2}, "does not fit this run .*2 observed epochs"),
        ({"identity": None}, "its run has no identity"),
        ({"identity": {"data": ["x"]}}, "its run has no identity"),
        ({"scheduler": []}, "it holds no scheduler"),
        ({"scheduler.tasks": KeyError}, "the scheduler's state is of tasks None"),
        ({"scheduler.losses": [[0.5]]}, "the scheduler's state has damaged losses: expected 2 numbers per epoch"),
        ({"scheduler.losses": [[0.5, "x"]]}, "damaged losses"),
        ({"scheduler.losses": [[0.5, 10**400]]}, "damaged losses"),
        ({"thresholds": 5}, "it holds no thresholds"),
        ({"thresholds.values": [0.5]}, "expected 2 numbers from 0 to 1"),
        ({"optimizer": KeyError}, "it holds no optimizer"),
        ({"optimizer.groups": KeyError}, "the optimiser has other parameter groups"),
        ({"optimizer.entries": [1]}, "the optimiser's state has damaged entries"),
        ({"optimizer.entries": {"0.x": "y"}}, "the optimiser's state has damaged entries"),
        ({"optimizer.entries": {"77.step": None}}, "the optimiser has no place for '77.step'"),
        ({"optimizer.entries": {"-1.exp_avg": None}}, "the optimiser has no place for '-1.exp_avg'"),
        ({"optimizer.entries": {"0.x": None}}, "the optimiser's state of its parameter 0 is not whole"),
        ({"tally": None}, "it holds no tally"),
        ({"tally.sums": [[0.0] * 6]}, "its sums of losses"),
        ({"tally.sums": []}, "its sums of losses"),
        ({"tally.num_active": [1]}, "its numbers of steps"),
        ({"tally.num_steps": None}, "its numbers of steps"),
    ],
)
def test_a_damaged_state_is_refused(state, message):
    with pytest.raises(CheckpointError, match=rf"/(\w+\.(json|safetensors)|checkpoint): .*{message}"):
        checkpoints._restore(changed(DST, state))


@pytest.mark.parametrize(
    ("seed", "state", "message"),
    [
        (BALANCED, {"scheduler.drops": [[1, 2], [3, 4]]}, "damaged drops"),
        (BALANCED, {"scheduler.drops": [[0.5, 2]]}, "damaged drops"),
        (STATIC, {"scheduler.weights": KeyError}, "damaged weights: expected 2 numbers"),
        (STATIC, {"scheduler.weights": [0.5, 2.0]}, "is of other loss weights"),
        (SCALED, {"scaler": None}, "its scale of the losses is no set of numbers"),
        (SCALED, {"scaler.scale": "x"}, "its scale of the losses"),
    ],
)
def test_a_damaged_state_of_one_kind_of_run_is_refused(seed, state, message):
    with pytest.raises(CheckpointError, match=rf"/(\w+\.(json|safetensors)|checkpoint): .*{message}"):
        checkpoints._restore(changed(seed, state))


@pytest.mark.parametrize(
    ("seed", "tensors", "message"),
    [
        (DST, {"model": {"head.bias": torch.zeros(1)}}, r"holds head.bias as \[1\] float32, and this model's is \[2\] float32"),
        (DST, {"model": {"head.bias": None}}, "lacks head.bias, which this model trains"),
        (DST, {"optimizer": {"0.exp_avg": torch.zeros(3)}}, r"0.exp_avg is \[3\] float32, and its parameter"),
        (DST, {"optimizer": {"0.step": torch.tensor(-1e30)}}, "0.step is tensor"),
        (DST, {"optimizer": {"x": torch.zeros(())}}, "no place for 'x'"),
        (SGD, {"optimizer": {"0.momentum_buffer": torch.zeros(1, dtype=torch.int64)}}, r"0.momentum_buffer is \[1\] int64"),
        (DWA, {"balancer": {"losses": torch.zeros(3, 2, dtype=torch.float64)}}, "the balancer's losses are torch.float64"),
        (DWA, {"balancer": {"losses": None}}, "'losses'"),
        (FAMO, {"balancer": {"moments.step": torch.zeros(())}}, "the balancer's moments are step"),
        (FAMO, {"balancer": {"_w": torch.zeros(7)}}, "_w"),
    ],
)
def test_damaged_tensors_are_refused(seed, tensors, message):
    with pytest.raises(CheckpointError, match=rf"(?s)/\w+\.safetensors: .*{message}"):
        checkpoints._restore(changed(seed, **tensors))
