import functools

import numpy as np
import pytest

from shards.faces.attributes import ATTRIBUTES, FACTORS, NAMES, draw_attributes

MAIN_RATES = {
    "Arched_Eyebrows": 26.59, "Big_Lips": 24.09, "Big_Nose": 23.56, "Black_Hair": 23.90,
    "Wearing_Earrings": 18.65, "Wearing_Hat": 4.94, "Wearing_Necklace": 12.14, "Young": 77.89,
}  # fmt: skip


@functools.cache
def draw_many():
    return draw_attributes(11, range(20_000))


def column(labels, name):
    return labels[:, NAMES.index(name)]


def test_names_are_celebas_in_its_order():
    assert len(NAMES) == 40
    assert NAMES[:3] == ("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive")
    assert NAMES[-3:] == ("Wearing_Necklace", "Wearing_Necktie", "Young")
    assert list(NAMES) == sorted(NAMES, key=str.lower)


@pytest.mark.parametrize("which", [0, 1], ids=["drawn", "written"])
def test_every_rate_is_the_published_one(which):
    shares = draw_many()[which].mean(axis=0)
    wrong = {each.name: share for each, share in zip(ATTRIBUTES, shares, strict=True) if abs(share - each.rate) > 0.015}
    assert wrong == {}


@pytest.mark.parametrize(("name", "percent"), MAIN_RATES.items())
def test_main_attributes_are_within_one_point(name, percent):
    assert 100 * column(draw_many()[1], name).mean() == pytest.approx(percent, abs=1.0)


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("Bald", ["Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair", "Straight_Hair", "Wavy_Hair"]),
        ("Black_Hair", ["Blond_Hair", "Brown_Hair", "Gray_Hair"]),
        ("Brown_Hair", ["Blond_Hair", "Gray_Hair"]),
        ("Bangs", ["Receding_Hairline"]),
        ("Straight_Hair", ["Wavy_Hair"]),
        ("No_Beard", ["5_o_Clock_Shadow", "Goatee", "Mustache", "Sideburns"]),
        ("Wearing_Necktie", ["Wearing_Necklace"]),
    ],
)
@pytest.mark.parametrize("which", [0, 1], ids=["drawn", "written"])
def test_what_rules_out_what(which, name, others):
    labels = draw_many()[which]
    if name == "Wearing_Necktie":
        labels = draw_many()[0]  # the label of the necklace is noisy
    for other in others:
        assert not (column(labels, name) & column(labels, other)).any(), other


def test_women_have_no_beards_and_are_not_bald():
    drawn, _written = draw_many()
    women = drawn[~column(drawn, "Male")]
    assert column(women, "No_Beard").all()
    assert not column(women, "Bald").any()


@pytest.mark.parametrize(
    ("one", "other", "sign"),
    [
        ("Male", "Wearing_Lipstick", -1),
        ("Male", "Heavy_Makeup", -1),
        ("Male", "Wearing_Earrings", -1),
        ("Male", "Wearing_Necklace", -1),
        ("Male", "Arched_Eyebrows", -1),
        ("Male", "Wearing_Necktie", 1),
        ("Male", "Big_Nose", 1),
        ("Young", "Gray_Hair", -1),
        ("Young", "Bald", -1),
        ("Young", "Bags_Under_Eyes", -1),
        ("Young", "Double_Chin", -1),
        ("Young", "Receding_Hairline", -1),
        ("Smiling", "High_Cheekbones", 1),
        ("Smiling", "Mouth_Slightly_Open", 1),
        ("Chubby", "Double_Chin", 1),
    ],
)
def test_correlations(one, other, sign):
    drawn, _written = draw_many()
    assert sign * np.corrcoef(column(drawn, one), column(drawn, other))[0, 1] > 0.05


def test_labels_are_noisy_where_people_disagree():
    drawn, written = draw_many()
    wrong = dict(zip(NAMES, (drawn != written).mean(axis=0), strict=True))
    for attribute in ATTRIBUTES:
        assert wrong[attribute.name] == pytest.approx(attribute.label_noise, abs=0.005)
    assert wrong["Big_Nose"] > 0.02
    assert wrong["Black_Hair"] == 0


def test_a_face_depends_on_seed_and_index_alone():
    drawn, written = draw_attributes(3, range(40))
    some_drawn, some_written = draw_attributes(3, [7, 31])
    assert np.array_equal(drawn[[7, 31]], some_drawn)
    assert np.array_equal(written[[7, 31]], some_written)
    assert not np.array_equal(drawn, draw_attributes(4, range(40))[0])


def test_the_table_is_a_correlation_model():
    for attribute in ATTRIBUTES:
        assert set(attribute.loadings) <= set(FACTORS)
        assert sum(loading**2 for loading in attribute.loadings.values()) <= 1
        assert {name.removeprefix("-") for name in attribute.depends_on()} <= set(NAMES)
