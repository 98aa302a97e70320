import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.errors import ConfigurationError
from shards.faces.attributes import NAMES, draw_attributes
from shards.faces.conflict import NOT_LABELLED, TASKS, draw_labels, draw_sources, planted_tasks

SEED, IMAGES, TRAIN = 3, 6000, 4200
COLUMN = {task.name: column for column, task in enumerate(TASKS)}


@pytest.fixture(scope="module")
def labels():
    return draw_labels(SEED, IMAGES, TASKS)


def within(count, trials, rate):
    """Whether a count lies within four standard deviations of a binomial distribution."""
    return abs(count - trials * rate) <= 4 * math.sqrt(trials * rate * (1 - rate))


def test_the_table_is_one_of_tasks_that_can_be_planted():
    assert len(COLUMN) == len(TASKS)
    assert len({task.source for task in TASKS}) == len(TASKS)
    for task in TASKS:
        assert task.source in NAMES
        assert 0 < task.labelled_share <= 1
        assert 0 <= task.noise_rate < 0.5
        # 2 · labelled_share · agreement is a probability, and what teaches the cue has all its labels.
        assert not task.tied_to or (2 * task.labelled_share * task.agreement <= 1 and TASKS[COLUMN[task.tied_to]].labelled_share == 1)
    assert [task.name for task in TASKS if task.tied_to] == ["Tied_Bangs", "Tied_Goatee"]


def test_val_and_test_are_complete_and_true(labels):
    assert labels.starts == (TRAIN, 4800)
    assert np.array_equal(labels.written[TRAIN:], labels.true[TRAIN:])


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_training_labels_have_their_share_and_noise(labels, task):
    written, true = labels.written[:TRAIN, COLUMN[task.name]], labels.true[:TRAIN, COLUMN[task.name]]
    labelled = written != NOT_LABELLED
    assert within(labelled.sum(), TRAIN, task.labelled_share)
    wrong = (written != true)[labelled].sum()
    assert within(wrong, labelled.sum(), task.noise_rate)
    assert within((written == 1).sum(), labelled.sum(), 0.5)


def test_noise_flips_both_kinds_alike(labels):
    column = COLUMN["Noisy_Paleness"]
    for value in (True, False):
        shown = labels.true[:TRAIN, column] == value
        assert within((labels.written[:TRAIN, column] != value)[shown].sum(), shown.sum(), 0.4)


@pytest.mark.parametrize(("tied", "partner"), [("Tied_Bangs", "Rich_Glasses"), ("Tied_Goatee", "Rich_Stubble")])
def test_a_tie_holds_where_labels_are_and_nowhere_else(labels, tied, partner):
    agrees = labels.true[:, COLUMN[tied]] == labels.true[:, COLUMN[partner]]
    labelled = labels.written[:TRAIN, COLUMN[tied]] != NOT_LABELLED
    assert agrees[:TRAIN][labelled].all()
    assert within(agrees[:TRAIN].sum(), TRAIN, 0.5)
    assert within(agrees[TRAIN:].sum(), IMAGES - TRAIN, 0.5)
    # The partner is labelled on all training faces, and truly: nothing ties it back.
    assert np.array_equal(labels.written[:, COLUMN[partner]], labels.true[:, COLUMN[partner]])


def test_sources_are_independent(labels):
    correlations = np.corrcoef(labels.true.T) - np.eye(len(TASKS))
    assert np.abs(correlations).max() < 4 / math.sqrt(IMAGES)


def test_a_tie_may_be_loose():
    tasks = [dataclasses.replace(task, agreement=0.8) if task.tied_to else task for task in TASKS]
    labels = draw_labels(SEED, IMAGES, tasks)
    column = COLUMN["Tied_Goatee"]
    labelled = labels.written[:TRAIN, column] != NOT_LABELLED
    agrees = labels.true[:TRAIN, column] == labels.true[:TRAIN, COLUMN["Rich_Stubble"]]
    assert within(labelled.sum(), TRAIN, 0.1)
    assert within(agrees[labelled].sum(), labelled.sum(), 0.8)


def test_what_is_left_out_is_not_planted_and_the_rest_stays(labels):
    untied = draw_labels(SEED, IMAGES, planted_tasks(["ties"]))
    for tied, partner in (("Tied_Bangs", "Rich_Glasses"), ("Tied_Goatee", "Rich_Stubble")):
        labelled = untied.written[:TRAIN, COLUMN[tied]] != NOT_LABELLED
        agrees = untied.true[:TRAIN, COLUMN[tied]] == untied.true[:TRAIN, COLUMN[partner]]
        assert within(labelled.sum(), TRAIN, 0.1)
        assert within(agrees[labelled].sum(), labelled.sum(), 0.5)
    others = [column for name, column in COLUMN.items() if not name.startswith("Tied_")]
    assert np.array_equal(untied.written[:, others], labels.written[:, others])
    clean = draw_labels(SEED, IMAGES, planted_tasks(["noise"]))
    noisy = COLUMN["Noisy_Paleness"]
    assert np.array_equal(clean.written[:, noisy], clean.true[:, noisy])
    others = [column for column in COLUMN.values() if column != noisy]
    assert np.array_equal(clean.written[:, others], labels.written[:, others])
    assert planted_tasks() == TASKS


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 10_000), min_size=1, max_size=5))
def test_a_face_depends_on_seed_and_index_alone(seed, indices):
    together, _ = draw_sources(seed, indices)
    for row, index in enumerate(indices):
        assert np.array_equal(together[row], draw_sources(seed, [index])[0][0])


def test_faces_show_their_sources_and_keep_the_rest():
    drawn, again = draw_sources(SEED, range(50))
    labels = draw_labels(SEED, IMAGES, TASKS)
    assert np.array_equal(drawn, again)
    assert np.array_equal(drawn[:, [NAMES.index(task.source) for task in TASKS]], labels.true[:50])
    fixed = {"Mustache": 0, "Sideburns": 0, "Bald": 0, "Receding_Hairline": 0, "Wearing_Necklace": 0, "No_Beard": 1}
    for name, value in fixed.items():
        assert (drawn[:, NAMES.index(name)] == value).all()
    rest = [column for column, name in enumerate(NAMES) if name not in fixed and name not in {task.source for task in TASKS}]
    assert np.array_equal(drawn[:, rest], draw_attributes(SEED, range(50))[0][:, rest])


def test_more_images_keep_the_sources_of_the_first(labels):
    assert np.array_equal(draw_labels(SEED, 8000, TASKS).true[:IMAGES], labels.true)


def test_another_seed_gives_other_labels(labels):
    assert not np.array_equal(draw_labels(SEED + 1, IMAGES, TASKS).true, labels.true)


@pytest.mark.parametrize("num_images", [1, 2, 3])
def test_an_empty_split_is_refused(num_images):
    with pytest.raises(ConfigurationError, match=f"--num-images is {num_images}: a split of --conflict would be empty; draw more"):
        draw_labels(SEED, num_images, TASKS)


def test_too_few_labels_are_refused():
    with pytest.raises(ConfigurationError, match="--num-images is 10: Tied_Bangs would not have training labels of both kinds; draw more"):
        draw_labels(SEED, 10, TASKS)
