"""F-05: a loader's state that belongs to other batches, or is damaged, is refused, and the loader stands where it was."""

import json

import pytest

from engine.pipeline.loader import Loader
from shards.errors import CheckpointError
from tests.conftest import pack
from tests.loading import batches, open_loader, same

OPTIONS = {"image_size": 32}


@pytest.fixture(scope="module")
def state(shards):
    """The state after three batches, as JSON."""
    with open_loader(shards, **OPTIONS) as loader:
        for _ in range(3):
            next(loader)
        return json.dumps(loader.state_dict())


@pytest.fixture(scope="module")
def other_seed(celeba, tmp_path_factory):
    """The same images packed in another order."""
    return pack(celeba, tmp_path_factory.mktemp("other") / "shards", seed=1)


def refused(loader: Loader, state: object, message: str) -> None:
    before = loader.state_dict()
    with pytest.raises(CheckpointError, match=message) as caught:
        loader.load_state_dict(state)
    assert "\n" not in str(caught.value)
    assert loader.state_dict() == before


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"order": {"ids": range(50)}}, "samples was 0 to 51, is 0 to 49"),
        ({"order": {"batch_size": 4}}, "train.batch_size was 8, is 4"),
        ({"order": {"seed": 4}}, "run.seed was 3, is 4"),
        ({"order": {"shuffle": "window"}}, "pipeline.shuffle was global, is window; pipeline.window_shards was None, is 2"),
        ({"order": {"drop_last": True}}, "pipeline.drop_last was False, is True"),
        ({"image_size": 40}, r"pipeline.image_size was \(32, 32\), is \(40, 40\)"),
        ({"image_size": (32, 40)}, r"pipeline.image_size was \(32, 32\), is \(32, 40\)"),
        ({"backend": "torch"}, "pipeline.backend was dali, is torch"),
        ({"augment": {"mirror": True}}, "augment.mirror was False, is True"),
        ({"augment": {"crop": (0.5, 1.0)}}, r"augment.crop was None, is \(0.5, 1.0\)"),
        ({"augment": {"hue": 5.0}}, "augment.hue was 0.0, is 5.0"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value.split()[0],
)
def test_other_batches_are_refused_with_the_difference(shards, state, changed, difference):
    with open_loader(shards, **(OPTIONS | changed)) as loader:
        refused(loader, json.loads(state), f"^the loader's state belongs to other batches: {difference}; restore what differs$")


def test_another_data_set_is_refused_though_it_has_the_same_samples(other_seed, state):
    with open_loader(other_seed, **OPTIONS) as loader:
        refused(loader, json.loads(state), "data set was index.npy [0-9a-f]+, .*, is index.npy [0-9a-f]+, .*; restore what differs")


def test_every_difference_is_told_at_once(shards, state):
    with open_loader(shards, image_size=40, order={"seed": 4}) as loader:
        refused(loader, json.loads(state), r"pipeline.image_size was \(32, 32\), is \(40, 40\); run.seed was 3, is 4; restore")


def test_what_does_not_change_the_batches_is_free(shards, state):
    free = {"threads": 2, "prefetch": 4, "check_crc": False, "on_bad_sample": "skip", "max_bad_samples": 3}
    with open_loader(shards, **OPTIONS, **free) as loader:
        loader.load_state_dict(json.loads(state))
        assert same(next(loader), batches(4, shards, **OPTIONS)[3])


DAMAGES = ["missing", None, "three", "1", [], {}, 1.5, float("nan"), float("inf"), -1]


@pytest.mark.parametrize(
    ("name", "value"), [*((name, value) for name in ("epoch", "step", "fingerprint") for value in DAMAGES), ("step", 8)], ids=repr
)
def test_a_damaged_state_is_refused(shards, state, name, value):
    damaged = {key: field for key, field in (json.loads(state) | {name: value}).items() if field != "missing"}
    with open_loader(shards, **OPTIONS) as loader:
        refused(loader, damaged, "the loader's state (is damaged|belongs to other batches)")
