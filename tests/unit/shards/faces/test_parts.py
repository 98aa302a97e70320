import numpy as np
import pytest

from shards.faces.chance import PARTS, generator
from shards.faces.eyes import choose_eyes
from shards.faces.haircut import KNOTS, choose_hair, edges_of
from shards.faces.hat import choose_hat
from shards.faces.head import choose_head
from shards.faces.mouth import choose_mouth
from shards.faces.nose import choose_nose
from shards.faces.palette import choose_palette

NOBODY = frozenset({"Young"})


def measures(choose, measure, traits, part):
    return np.array([measure(choose(traits, generator(0, index, part))) for index in range(400)])


@pytest.mark.parametrize(
    ("choose", "measure", "name", "part"),
    [
        (choose_nose, lambda nose: nose.half_width, "Big_Nose", "nose"),
        (choose_mouth, lambda mouth: mouth.upper + mouth.lower, "Big_Lips", "mouth"),
        (choose_eyes, lambda eyes: eyes.arch, "Arched_Eyebrows", "eyes"),
    ],
)
def test_sizes_differ_clearly_and_vary_within_a_class(choose, measure, name, part):
    without, present = measures(choose, measure, NOBODY, part), measures(choose, measure, NOBODY | {name}, part)
    assert present.mean() - without.mean() > 3 * without.std()
    assert without.std() > 0.1 * (present.mean() - without.mean())
    assert without.max() > present.min() - 0.3 * (present.mean() - without.mean())


def test_old_people_have_wrinkles_and_grey_strands():
    old = frozenset()
    age = measures(choose_head, lambda head: head.age, old, "head")
    assert age.mean() > 0.6
    assert measures(choose_head, lambda head: head.age, NOBODY, "head").max() < age.mean()
    assert measures(choose_palette, lambda palette: palette.grey, NOBODY, "palette").max() == 0
    assert measures(choose_palette, lambda palette: palette.grey, old, "palette").min() >= 0.25


def test_black_hair_is_the_darkest():
    def brightness(name):
        return measures(choose_palette, lambda palette: sum(palette.hair), NOBODY | {name}, "palette")

    assert brightness("Black_Hair").max() < brightness("Brown_Hair").mean() < brightness("Blond_Hair").min()


def test_hats_and_only_hats_are_worn_by_those_who_wear_one():
    kinds = {choose_hat(frozenset({"Wearing_Hat"}), generator(0, index, "hat")).kind for index in range(60)}
    assert kinds == {"beanie", "cap", "fedora", "sunhat", "beret"}
    assert choose_hat(NOBODY, generator(0, 0, "hat")) is None


@pytest.mark.parametrize("traits", [{"Bangs"}, {"Receding_Hairline", "Male"}, {"Wavy_Hair"}, {"Straight_Hair"}, {"Wearing_Hat"}])
def test_edges_of_hair_meet_in_their_tips_and_hair_lies_between(traits):
    head = choose_head(NOBODY, generator(0, 0, "head"))
    for index in range(30):
        edges = edges_of(choose_hair(frozenset(traits), generator(0, index, "hair")), head)
        assert edges.outer.shape == edges.inner.shape == (KNOTS, 2)
        assert edges.outer[[0, -1]] == pytest.approx(edges.inner[[0, -1]])
        assert edges.outer[:, 1].min() < edges.inner[:, 1].min()


def test_a_hat_leaves_no_room_for_a_bun():
    cuts = {choose_hair(frozenset({"Wearing_Hat"}), generator(0, index, "hair")).cut for index in range(200)}
    assert "up" not in cuts


def test_parts_have_chances_of_their_own():
    values = {generator(0, 0, part).random() for part in PARTS}
    assert len(values) == len(PARTS)
