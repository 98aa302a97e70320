"""F-03, F-04: a loader that is stopped anywhere, as often as one likes, gives the undisturbed stream, whatever the number of ranks."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from tests.loading import batches, open_loader, same

NUM_STEPS, END = 7, 17
"""Steps of an epoch of 52 samples; where the streams end, in the third epoch."""
# Steps 0, 1, k, the last, the first of the next epoch; and three times in one epoch.
STOPS = [0, 1, 3, NUM_STEPS - 1, NUM_STEPS, NUM_STEPS + 2, NUM_STEPS + 3, NUM_STEPS + 5, 2 * NUM_STEPS]
VARIED = {"mirror": True, "crop": (0.3, 1.0), "brightness": 0.3, "contrast": 0.2, "saturation": 0.4, "hue": 20.0}
LISTED = np.sort(np.random.default_rng(5).permutation(52)[:50])
SELECTIONS = {
    "window": {"shuffle": "window"},
    "limit": {"ids": range(49)},
    "keys": {"ids": LISTED},
    "keys-window": {"ids": LISTED, "shuffle": "window", "window_shards": 1},
}


@pytest.fixture(scope="module", params=SELECTIONS)
def options(request):
    return {"order": SELECTIONS[request.param], "augment": VARIED, "image_size": 32}


@pytest.fixture(scope="module")
def undisturbed(shards, options):
    return batches(END, shards, **options)


def through_json(loader) -> dict:
    return json.loads(json.dumps(loader.state_dict(), allow_nan=False))


def assert_same_stream(loaded, undisturbed) -> None:
    assert [step for step, (one, other) in enumerate(zip(loaded, undisturbed, strict=True)) if not same(valid(one), valid(other))] == []


def valid(batch):
    """A batch without the pixels of its padding, which no promise is made about."""
    images = batch.images.clone()
    images[batch.num_valid :] = 0
    return dataclasses.replace(batch, images=images)


def test_the_stream_is_varied_and_differs_from_epoch_to_epoch(undisturbed, shards, options):
    assert len({batch.images.numpy().tobytes() for batch in undisturbed}) == END
    plain = batches(1, shards, **(options | {"augment": {}}))[0]
    assert torch.equal(plain.ids, undisturbed[0].ids)
    assert not any(torch.equal(one, other) for one, other in zip(plain.images, undisturbed[0].images, strict=True))


def test_a_new_loader_goes_on_wherever_the_one_before_it_stopped(shards, options, undisturbed):
    loaded, state = [], None
    for begin, end in zip([0, *STOPS], [*STOPS, END], strict=True):
        with open_loader(shards, **options) as loader:
            if state:
                loader.load_state_dict(state)
            loaded += [next(loader) for _ in range(end - begin)]
            state = through_json(loader)
            assert (state["epoch"], state["step"]) == divmod(end, NUM_STEPS)
    assert_same_stream(loaded, undisturbed)


def test_a_closed_loader_goes_on_by_itself_or_goes_back(shards, options, undisturbed):
    with open_loader(shards, **options) as loader:
        loaded = []
        for begin, end in zip([0, *STOPS], [*STOPS, END], strict=True):
            loaded += [next(loader) for _ in range(end - begin)]
            loader.close()
        assert_same_stream(loaded, undisturbed)
        for stop in reversed(STOPS):
            # In the middle of the work ahead, without a close.
            loader.seek(*divmod(stop, NUM_STEPS))
            assert_same_stream([next(loader), next(loader)], undisturbed[stop : stop + 2])


def global_batch(parts):
    """One batch of all ranks' parts."""
    # Padding is at the end, so whole ranks of it may follow one that is partly filled.
    assert [part.num_valid for part in parts] == sorted((part.num_valid for part in parts), reverse=True)
    joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in ("images", "labels", "ids")}
    assert all(torch.equal(part.num_labelled, parts[0].num_labelled) for part in parts)
    return dataclasses.replace(parts[0], num_valid=sum(part.num_valid for part in parts), num_skipped=0, **joined)


def test_ranks_together_give_the_same_stream_and_their_number_may_change(shards, options, undisturbed):
    loaded, state = [], None
    for begin, end, world_size in [(0, 2, 2), (2, 5, 1), (5, 9, 4), (9, 12, 2), (12, 14, 8), (14, END, 4)]:
        ranks = [open_loader(shards, rank=rank, world_size=world_size, **options) for rank in range(world_size)]
        for loader in ranks:
            if state:
                loader.load_state_dict(state)
        loaded += [global_batch([next(loader) for loader in ranks]) for _ in range(end - begin)]
        states = [through_json(loader) for loader in ranks]
        assert all(other == states[0] for other in states)
        state = states[0]
        for loader in ranks:
            loader.close()
    assert_same_stream(loaded, undisturbed)
