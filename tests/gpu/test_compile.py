"""Compiled runs on a GPU: code that Inductor generates, and CUDA graphs. Skipped without CUDA.

In processes of their own, because the shape checks of the tests cannot be traced.
"""

import sys

import pytest
import torch

from tests.integration.conftest import records
from tests.integration.test_features import assert_same_learning, words
from tests.launch import PLAIN, finish, start

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

WATCHED = """
import pytest
from tests.launch import lighten
from tests.waiting import watch_steps_from_features
lighten()
with pytest.MonkeyPatch.context() as patch:
    watched = watch_steps_from_features(patch, first={first})
    import engine.train
    try:
        engine.train.main()
    finally:
        print("watched", watched)
"""
ON_THE_GPU = {"ACCELERATE_USE_CPU": "false"}


def train(shards, run_dir, **options) -> list[dict]:
    """Train on the GPU in a fresh process."""
    code, _, err = finish(start(PLAIN, words(shards, run_dir, **options), **ON_THE_GPU))
    assert code == 0, err
    lines = records(run_dir)
    assert lines[0]["device"] == torch.cuda.get_device_name()
    return lines


@pytest.mark.parametrize("cached", [False, True], ids=["images", "features"])
def test_compiled_steps_learn_the_same(shards, tmp_path, cached):
    features = {"features__dir": tmp_path / "features"} if cached else {}
    plain, compiled = (train(shards, tmp_path / str(chosen), model__compile=chosen, **features) for chosen in (False, True))
    assert_same_learning(compiled, plain, rel=1e-3 if cached else 5e-3)


def test_a_compiled_step_from_features_costs_the_host_no_synchronisation(shards, tmp_path):
    # Graphs of both kinds of steps, with all tasks and without some, are recorded in the first epochs.
    options = {"features__dir": tmp_path / "features", "train__epochs": 10, "model__compile": True, "report__every": 100}
    program = [sys.executable, "-c", WATCHED.format(first=48)]
    code, out, err = finish(start(program, words(shards, tmp_path / "run", **options), **ON_THE_GPU))
    assert code == 0, err
    assert out.splitlines()[-1] == f"watched {list(range(48, 60))}"
