import numpy as np
import pytest

from shards.faces.canvas import HEIGHT, WIDTH, Canvas, blend, softened

SQUARE = np.array([(10.0, 20), (30, 20), (30, 40), (10, 40)])


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_square_falls_on_its_pixels_at_every_resolution(scale):
    canvas = Canvas.blank(scale, (0, 0, 0))
    canvas.fill(SQUARE, (200, 100, 50))
    assert canvas.pixels.shape == (HEIGHT * scale, WIDTH * scale, 3)
    assert canvas.pixels[round(30 * scale), round(20 * scale)].tolist() == [200, 100, 50]
    assert (canvas.pixels.sum(dtype=np.int64) / 350) ** 0.5 / scale == pytest.approx(20, abs=1.8 / scale)
    rows, columns = np.nonzero(canvas.pixels[..., 0])
    assert (rows.mean() + 0.5) / scale == pytest.approx(30, abs=0.6 / min(scale, 1))
    assert (columns.mean() + 0.5) / scale == pytest.approx(20, abs=0.6 / min(scale, 1))


def test_moved_coordinates_can_grow_to_the_left():
    canvas = Canvas.blank(1.0, (0, 0, 0))
    canvas.moved(100, 5, side=-1).fill(SQUARE, (255, 255, 255))
    _rows, columns = np.nonzero(canvas.pixels[..., 0] == 255)
    assert columns.min() == pytest.approx(70, abs=1)
    assert columns.max() == pytest.approx(89, abs=1)


def test_the_pose_turns_and_scales():
    turned = np.array([[0.0, -2, 100], [2, 0, 0]])
    canvas = Canvas.blank(1.0, (0, 0, 0), turned)
    canvas.fill(SQUARE, (255, 255, 255))
    rows, columns = np.nonzero(canvas.pixels[..., 0] == 255)
    assert (rows.min(), rows.max()) == pytest.approx((20, 59), abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((20, 59), abs=1)


def test_opacity_is_a_share():
    canvas = Canvas.blank(1.0, (100, 100, 100))
    canvas.fill(SQUARE, (200, 0, 100), alpha=0.5)
    assert canvas.pixels[30, 20].tolist() == [150, 50, 100]


def test_a_glow_spreads_and_keeps_its_sum():
    canvas = Canvas.blank(1.0, (0, 0, 0))
    canvas.glow(SQUARE + 50, (200, 200, 200), 1.0, 3)
    assert 0 < canvas.pixels[66, 70, 0] < 100
    assert canvas.pixels[..., 0].sum(dtype=np.int64) / 200 == pytest.approx(400, rel=0.15)


@pytest.mark.parametrize("offset", [(-400.0, 0.0), (0.0, 500.0), (170.0, 200.0)])
def test_what_lies_outside_is_cut_off(offset):
    canvas = Canvas.blank(1.0, (0, 0, 0))
    canvas.glow(SQUARE + offset, (255, 255, 255), 1.0, 2)
    canvas.paint(SQUARE + offset, np.full_like(canvas.pixels, 255))
    canvas.fill(SQUARE + offset, (255, 255, 255))
    assert canvas.pixels[100, 80].tolist() == [0, 0, 0]


def test_paint_takes_the_colour_from_a_smaller_picture():
    canvas = Canvas.blank(2.0, (0, 0, 0))
    surface = np.zeros((HEIGHT // 2, 89, 3), np.uint8)
    surface[:, :10] = (10, 20, 30)
    surface[:, 10:] = (90, 80, 70)
    canvas.paint(SQUARE, surface)
    assert canvas.pixels[60, 24].tolist() == [10, 20, 30]
    assert canvas.pixels[60, 56].tolist() == [90, 80, 70]
    assert canvas.pixels[60, 80].tolist() == [0, 0, 0]


def test_blend_is_exact_at_both_ends():
    rng = np.random.default_rng(0)
    under, over = rng.integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    kept, replaced = under.copy(), under.copy()
    blend(kept, over, np.zeros((4, 4), np.uint8))
    blend(replaced, over, np.full((4, 4), 128, np.uint8))
    assert np.array_equal(kept, under)
    assert np.array_equal(replaced, over)


@pytest.mark.parametrize("deviation", [2.0, 2.5, 4.0, 6.0])
def test_softened_has_the_deviation_it_is_asked_for(deviation):
    impulse = np.zeros((101, 101), np.uint8)
    impulse[:, 50] = 255
    profile = softened(impulse, deviation)[50].astype(float)
    spread = np.sqrt((profile * (np.arange(101) - 50) ** 2).sum() / profile.sum())
    assert spread == pytest.approx(deviation, rel=0.05)


def test_nothing_is_softened_by_nothing():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(softened(pixels, 0.0), pixels)
