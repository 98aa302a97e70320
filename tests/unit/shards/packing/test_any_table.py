"""Whatever table and folder meet: labels arrive at the right image, or the packing is refused."""

import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from shards.annotations import SPLITS
from shards.errors import DropstreamError
from shards.packing.options import PackOptions
from shards.packing.source import read_source
from tests.unit.shards.packing.any_table import Case, draw

NUM_TABLES = 400


def labels_of(case: Case, folder: Path) -> dict[str, tuple[int | None, ...]] | str:
    """What would be packed: file -> labels in the order of the case; or why nothing would be. Splits are compared here."""
    images, table = case.write(folder)
    # Row numbers that bear a name of their own are a column like any other: what is wanted has to be said.
    chosen = case.attributes if "running" in case.words else None
    try:
        partition = case.partition_words(folder)
        options = PackOptions(images=str(images), attributes=(str(table),), out="out", columns=chosen, partition=partition)
        source = read_source(options, lambda _: None)
    except DropstreamError as error:
        return str(error)
    if case.splits:
        splits = {file.decode(): SPLITS[code] for file, code in zip(source.files.tolist(), source.splits.tolist(), strict=True)}
        assert splits == case.splits, case.words
    names = [name.replace(",", "") for name in source.attributes]
    places = [names.index(name.replace(",", "")) for name in case.attributes]
    return {
        file.decode(): tuple(None if row[place] < 0 else int(row[place]) for place in places)
        for file, row in zip(source.files.tolist(), source.labels.tolist(), strict=True)
    }


@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_labels_arrive_at_the_right_image_or_nothing_is_packed(tmp_path_factory, chance):
    case = draw(chance)
    found = labels_of(case, tmp_path_factory.mktemp("any"))
    assert isinstance(found, str) or found == case.truth, case.words


def test_what_is_unambiguous_packs(tmp_path):
    refused, num_unambiguous = [], 0
    for seed in range(NUM_TABLES):
        case = draw(random.Random(seed))
        found = labels_of(case, tmp_path / str(seed))
        assert isinstance(found, str) or found == case.truth, case.words
        if not case.is_ambiguous:
            num_unambiguous += 1
            refused += [f"{case.words}: {found}"] if isinstance(found, str) else []
    assert num_unambiguous > 0.8 * NUM_TABLES
    assert len(refused) <= 0.05 * num_unambiguous, "\n".join(refused)
