"""From members to samples."""

import pytest

from shards.check.tar_samples import Sample, pair
from shards.check.tar_walk import Defect, Member

LOST = Defect(0, "a header is damaged", "", hides_member=True)


def events(*names: str) -> list[Member | Defect]:
    """`a.jpg` is a member at the next block, `?` one that was not recognised."""
    return [LOST if name == "?" else Member(*name.split("."), 512 * position, 7) for position, name in enumerate(names)]


def keys_and_defects(*names: str) -> tuple[list[str], list[tuple[str, str]]]:
    found = list(pair(events(*names)))
    return [s.key for s in found if isinstance(s, Sample)], [(d.key, d.what) for d in found if isinstance(d, Defect) and d is not LOST]


def test_adjacent_pairs_are_samples():
    assert keys_and_defects("a.jpg", "a.npy", "b.jpg", "b.npy") == (["a", "b"], [])
    (sample,) = pair(events("a.jpg", "a.npy"))
    assert sample == Sample("a", Member("a", "jpg", 0, 7), Member("a", "npy", 512, 7))


@pytest.mark.parametrize(
    ("names", "keys", "defects"),
    [
        ("a.jpg b.jpg b.npy", ["b"], [("a", "has no label: a.npy is missing")]),
        ("b.jpg b.npy a.jpg", ["b"], [("a", "has no label: a.npy is missing")]),
        ("a.npy b.jpg b.npy", ["b"], [("a", "has no image: a.jpg or a.png is missing")]),
        ("a.jpg a.npy a.npy", ["a"], [("a", "has an extra member beside its pair (npy at byte 1024)")]),
        ("a.jpg a.jpg a.npy", ["a"], [("a", "has an extra member beside its pair (jpg at byte 0)")]),
        ("a.npy a.jpg", [], [("a", "its members are out of order (npy at byte 0, jpg at byte 512): its label must stand right behind")]),
        ("a.jpg b.jpg a.npy b.npy", [], [("a", "its members are out of order"), ("b", "its members are out of order")]),
        (
            "a.jpg b.jpg a.jpg",
            [],
            [("a", "has several members (jpg at byte 0, jpg at byte 1024) and"), ("b", "has no label")],
        ),
        ("a.jpg a.npy a.jpg a.npy", ["a"], [("a", "is there twice, one right behind the other (at bytes 0 and 1024)")]),
        ("a.jpg a.npy b.jpg b.npy a.jpg a.npy", ["a", "b"], [("a", "is there twice, apart (at bytes 0 and 2048)")]),
    ],
)
def test_each_way_to_stand_wrong_has_its_own_text(names, keys, defects):
    found, said = keys_and_defects(*names.split())
    assert found == keys
    assert [key for key, _ in said] == [key for key, _ in defects]
    assert all(what.startswith(wanted) for (_, what), (_, wanted) in zip(said, defects, strict=True))


@pytest.mark.parametrize("names", ["? a.npy b.jpg b.npy", "a.jpg ? b.jpg b.npy", "a.jpg ? a.npy b.jpg b.npy", "? ? b.jpg b.npy"])
def test_a_damaged_header_is_not_counted_twice(names):
    assert keys_and_defects(*names.split()) == (["b"], [])
