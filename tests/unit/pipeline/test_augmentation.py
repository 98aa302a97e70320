"""How images are varied."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import AugmentConfig
from engine.pipeline.augmentation import Augmentation, Variation, crop_boxes

ALL = AugmentConfig(mirror=True, crop=(0.3, 0.8), brightness=0.2, contrast=0.3, saturation=0.4, hue=15)
SIZES = np.tile([218, 178], (24, 1))


def drawn(config=ALL, rank=0, world_size=1, seed=4, epoch=1, step=2) -> Variation:
    augmentation = Augmentation(config, seed=seed, batch_size=24, rank=rank, world_size=world_size)
    return augmentation.draw(epoch, step, SIZES[: 24 // world_size])


def as_array(variation: Variation) -> np.ndarray:
    """All that was drawn, [batch, 9]."""
    colours = variation.colours
    parts = [colours.brightness, colours.contrast, colours.saturation, colours.hue]
    return np.column_stack([variation.mirror, variation.boxes, *parts])


def test_the_default_varies_nothing():
    variation = drawn(AugmentConfig())
    assert not variation.mirror.any()
    assert (variation.boxes, variation.colours) == (None, None)


@pytest.mark.parametrize("world_size", [2, 3, 4, 8])
def test_ranks_together_draw_what_one_draws(world_size):
    parts = [as_array(drawn(rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert np.array_equal(np.concatenate(parts), as_array(drawn()))


def test_it_depends_on_seed_epoch_and_step_only():
    places = [{}, {"seed": 5}, {"epoch": 2}, {"step": 3}]
    draws = [as_array(drawn(**place)) for place in places]
    assert all(np.array_equal(draw, as_array(drawn(**place))) for draw, place in zip(draws, places, strict=True))
    assert len({draw.tobytes() for draw in draws}) == 4


def test_one_option_does_not_change_what_another_draws():
    assert np.array_equal(drawn(AugmentConfig(mirror=True)).mirror, drawn().mirror)
    assert np.array_equal(drawn(AugmentConfig(crop=(0.3, 0.8))).boxes, drawn().boxes)
    assert np.array_equal(drawn(AugmentConfig(hue=15)).colours.hue, drawn().colours.hue)


def test_colours_stay_within_what_was_asked_for_and_use_it():
    steps = [drawn(step=step).colours for step in range(40)]
    for name, centre, span in (("brightness", 1, 0.2), ("contrast", 1, 0.3), ("saturation", 1, 0.4), ("hue", 0, 15)):
        values = np.concatenate([getattr(colours, name) for colours in steps])
        assert values.dtype == np.float32
        assert np.abs(values - centre).max() <= span * 1.0001
        assert np.ptp(values) > 1.9 * span
    assert np.all(drawn(AugmentConfig(hue=15)).colours.brightness == 1)


def test_pieces_worked_out_by_hand():
    # Half the area at ratio 1 of a 100 x 100 image: 70.7 pixels a side, at the top left, in the middle, at the bottom right.
    draws = np.array([[0.5, 0.5, 0, 0], [0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.9999, 0.9999]])
    boxes = crop_boxes(draws, np.tile([100, 100], (3, 1)), (0.0, 1.0), (0.5, 2.0))
    assert boxes.tolist() == [[0, 0, 71, 71], [15, 15, 86, 86], [29, 29, 100, 100]]
    # All of a 100 x 50 image at ratio 2 would be 100 wide and 50 high: cut to its width.
    assert crop_boxes(np.array([[1.0, 1.0, 0.0, 0.0]]), np.array([[100, 50]]), (0.1, 1.0), (0.5, 2.0)).tolist() == [[0, 0, 50, 50]]


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0.01, 1), st.integers(0, 10_000))
def test_pieces_lie_inside_and_hold_a_pixel(height, width, least, seed):
    draws = np.random.default_rng(seed).random((50, 4))
    boxes = crop_boxes(draws, np.tile([height, width], (50, 1)), (least, 1.0), (3 / 4, 4 / 3))
    top, left, bottom, right = boxes.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (bottom <= height).all()
    assert (right <= width).all()
    assert (bottom > top).all()
    assert (right > left).all()


def test_areas_and_ratios_are_spread_as_asked():
    boxes = np.concatenate([drawn(step=step).boxes for step in range(100)])
    heights, widths = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    shares = heights * widths / (218 * 178)
    assert 0.29 < shares.min() < 0.33
    assert shares.max() <= 0.81
    assert abs(shares.mean() - 0.55) < 0.03
    uncut = (widths < 178) & (heights < 218)
    ratios = (widths / heights)[uncut]
    assert 0.73 < ratios.min() < 0.78
    assert 1.25 < ratios.max() < 1.36
