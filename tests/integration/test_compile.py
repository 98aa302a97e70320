"""`model.compile`: another way to the same numbers.

In processes of their own, because the shape checks of the tests cannot be traced.
"""

import pytest

from tests.integration.conftest import records
from tests.integration.test_features import assert_same_learning, words
from tests.launch import PLAIN, Nursery, finish, start

TRACED = """
import warnings
import torch
warnings.filterwarnings("ignore", "Guards may run slower on Python 3.13.0")
compile_model = torch.compile

def traced(module, **_):
    print("compiles", type(module).__name__)
    # Forward and backward are traced; generating code for them takes a minute.
    return compile_model(module, backend="aot_eager")

torch.compile = traced
import engine.train
engine.train.main()
"""


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    yield nursery
    nursery.close()


@pytest.mark.parametrize("num_ranks", [1, 2])
@pytest.mark.parametrize("cached", [False, True], ids=["images", "features"])
def test_a_compiled_model_learns_the_same(shards, tmp_path, nursery, cached, num_ranks):
    lines = []
    for compiled in (False, True):
        run_dir = tmp_path / str(compiled)
        features = {"features__dir": tmp_path / "features"} if cached else {}
        command = words(shards, run_dir, model__compile=compiled, **features)
        children = [nursery.start(command, TRACED)] if num_ranks == 1 else nursery.start_two(command, TRACED)
        for child in children:
            code, told, errors = child.finish(timeout=120)
            assert (code, errors) == (0, "")
            assert told.startswith("compiles TaskReadout" if cached else "compiles MultitaskModel") == compiled
        lines.append(records(run_dir))
    assert_same_learning(lines[1], lines[0], rel=1e-5)


def test_code_that_inductor_generates_learns_the_same(shards, tmp_path):
    lines = []
    for compiled in (False, True):
        run_dir = tmp_path / str(compiled)
        code, _, err = finish(start(PLAIN, words(shards, run_dir, model__compile=compiled, features__dir=tmp_path / "features")))
        assert code == 0, err
        lines.append(records(run_dir))
    assert_same_learning(lines[1], lines[0], rel=1e-5)
