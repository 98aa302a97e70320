"""Two ranks train what one trains, under every balancer."""

import json

import pytest

from tests.launch import Nursery
from tests.unit.loop.balance.small import GRADIENTS, LOSSES

PROGRAM = "from tests.unit.loop.balance.small import main; main()"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one rank found, and what each of two found."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    try:
        children = [nursery.start([str(folders[0])], PROGRAM), *nursery.start_two([str(folders[1])], PROGRAM)]
        ends = [child.finish() for child in children]
    finally:
        nursery.close()
    assert [code for code, _, _ in ends] == [0, 0, 0], ends
    written = [json.loads(path.read_text()) for folder in folders for path in sorted(folder.iterdir())]
    assert [each["world_size"] for each in written] == [1, 2, 2]
    return [each["found"] for each in written]


@pytest.mark.parametrize("name", ["none", *LOSSES, *GRADIENTS])
def test_losses_and_weights_agree(found, name):
    one, *both = (each[name] for each in found)
    for rank in both:
        for expected, got in zip(one[:-1], rank[:-1], strict=True):
            assert got == pytest.approx(expected, rel=1e-5)
        assert rank[-1] == pytest.approx(one[-1], rel=1e-6)
    assert both[0] == both[1]


def test_the_balancers_differ(found):
    steps = {name: tuple(losses[-2]) for name, losses in found[0].items()}
    # On the same labels: some are missing where tasks may be dropped.
    assert steps["torchjd.equal"] == steps["none"]
    assert len(set(steps.values())) == len(steps) - 1
