import cv2
import numpy as np
import pytest

from shards.faces.attributes import NAMES, draw_attributes
from shards.faces.draw import draw_face

SEED, FACES = 5, range(8)


def box(top, bottom, left, right):
    region = np.zeros((218, 178), bool)
    region[top:bottom, left:right] = True
    return region


REGIONS = {
    "Arched_Eyebrows": box(78, 106, 44, 134),
    "Big_Lips": box(136, 170, 64, 114),
    "Big_Nose": box(112, 148, 68, 110),
    "Black_Hair": box(34, 90, 40, 138),
    "Wearing_Earrings": box(118, 158, 28, 64) | box(118, 158, 114, 150),
    "Wearing_Hat": box(8, 100, 16, 162),
    "Wearing_Necklace": box(168, 216, 52, 126),
    "Young": box(34, 172, 40, 138),
}
OTHER_HAIR = {"Bald", "Blond_Hair", "Gray_Hair", "Brown_Hair"}


def traits_of(index):
    drawn, _written = draw_attributes(SEED, [index])
    return {name for name, has in zip(NAMES, drawn[0], strict=True) if has} - {"Blurry"}


def pair(name, index):
    """Draw one face without and with an attribute."""
    without = traits_of(index) - {name}
    if name in ("Black_Hair", "Young"):
        without = without - OTHER_HAIR | {"Brown_Hair"}
    present = without | {name}
    if name == "Black_Hair":
        present -= {"Brown_Hair"}
    return draw_face(frozenset(without), SEED, index).astype(int), draw_face(frozenset(present), SEED, index).astype(int)


@pytest.mark.parametrize("name", REGIONS)
def test_a_main_attribute_changes_its_own_region(name):
    inside, outside = [], []
    for index in FACES:
        without, present = pair(name, index)
        change = np.abs(present - without).mean(axis=2)
        inside.append(change[REGIONS[name]].mean())
        outside.append(change[~REGIONS[name]].mean())
    assert min(inside) > 2.0
    assert np.mean(inside) > 4 * np.mean(outside)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("Attractive", "Wavy_Hair", "Straight_Hair")])
def test_an_attribute_that_can_be_seen_changes_the_picture(name):
    base = traits_of(0) - {name, "Wearing_Hat", "Bald", "Bangs", "Receding_Hairline", "No_Beard"} | {"Male"}
    if name.endswith("_Hair"):
        base -= {"Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"}
    needs = {"No_Beard"} if name in ("Bald", "Bangs", "Receding_Hairline") else set()
    if name == "Male":
        base = (base | {"No_Beard"}) - {name}
    without, present = draw_face(frozenset(base | needs), SEED, 0), draw_face(frozenset(base | needs | {name}), SEED, 0)
    assert not np.array_equal(without, present)


def test_attractive_is_in_the_eye_of_the_beholder():
    base = traits_of(1) - {"Attractive"}
    assert np.array_equal(draw_face(frozenset(base), SEED, 1), draw_face(frozenset(base | {"Attractive"}), SEED, 1))


def test_the_same_face_comes_out_the_same():
    traits = frozenset(traits_of(2))
    first = draw_face(traits, SEED, 2)
    assert first.shape == (218, 178, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, draw_face(traits, SEED, 2))
    assert not np.array_equal(first, draw_face(traits, SEED, 3))
    assert not np.array_equal(first, draw_face(traits, SEED + 1, 2))


def test_the_number_of_opencvs_threads_changes_nothing():
    traits, before = frozenset(traits_of(4) | {"Blurry", "Wearing_Hat"}), cv2.getNumThreads()
    faces = []
    try:
        for threads in (1, 2, 4):
            cv2.setNumThreads(threads)
            faces.append(draw_face(traits, SEED, 4))
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(faces[0], faces[1])
    assert np.array_equal(faces[0], faces[2])


def test_a_blurry_picture_has_less_detail():
    traits = traits_of(3)
    sharp, blurry = (draw_face(frozenset(each), SEED, 3).astype(float) for each in (traits, traits | {"Blurry"}))
    window = np.s_[80:170, 45:133]
    assert np.abs(np.diff(blurry[window], axis=1)).mean() < 0.75 * np.abs(np.diff(sharp[window], axis=1)).mean()


def test_every_attribute_together_can_be_drawn():
    assert draw_face(frozenset(NAMES), SEED, 0).shape == (218, 178, 3)
    assert draw_face(frozenset(), SEED, 0).shape == (218, 178, 3)
