import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compare.variant import Variant, safe_name


@pytest.mark.parametrize(
    ("variant", "name", "folder"),
    [
        (Variant(scheduler="drop_balanced"), "drop_balanced", "drop_balanced"),
        (Variant(scheduler="random", sweep=("scheduler.rate", "0.1")), "random[scheduler.rate=0.1]", "random-scheduler.rate=0.1"),
        (
            Variant(scheduler="mtl", balancer="torchjd.pcgrad", sweep=("optimizer.lr", "1e-3")),
            "mtl+torchjd.pcgrad[optimizer.lr=1e-3]",
            "mtl+torchjd.pcgrad-optimizer.lr=1e-3",
        ),
    ],
)
def test_names(variant, name, folder):
    assert (variant.name, variant.folder) == (name, folder)


def test_a_swept_path_stays_inside_its_folder():
    folder = Variant(scheduler="mtl", sweep=("model.weights", "../../etc/passwd")).folder
    assert "/" not in folder
    assert folder.startswith("mtl-model.weights=.._.._etc_passwd-")


@given(st.text(max_size=300))
def test_any_text_becomes_a_name_that_is_safe(text):
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_=+,][A-Za-z0-9._=+,-]*", name)
    assert len(name) < 120


@given(st.text(max_size=8), st.text(max_size=8))
def test_other_texts_become_other_names(first, second):
    assert (safe_name(first) == safe_name(second)) == (first == second)
