import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compare.statistics import (
    deviation_of,
    false_alarm_rate,
    holm,
    mean_of,
    over_tasks,
    relative_gain,
    seeds_p,
    standard_error,
    suffers,
)

NAN = np.nan


def test_mean_and_deviation_over_seeds():
    values = np.array([0.8, 0.9, 0.7])
    assert mean_of(values) == pytest.approx(0.8)
    assert deviation_of(values) == pytest.approx(0.1)
    assert standard_error(values) == pytest.approx(0.1 / 3**0.5)


def test_what_a_seed_lacks_is_unknown():
    assert mean_of(np.array([0.5, NAN])) is None
    assert deviation_of(np.array([0.5, NAN])) is None
    assert standard_error(np.array([0.5])) is None
    assert mean_of(np.array([])) is None
    assert deviation_of(np.array([0.1, 0.1, 0.1])) == 0.0


def test_the_mean_over_tasks_leaves_undefined_ones_out():
    table = np.array([[0.5, NAN, 0.7], [NAN, NAN, NAN]])
    assert over_tasks(table)[0] == pytest.approx(0.6)
    assert np.isnan(over_tasks(table)[1])


def test_the_gain_over_single_task_training_by_hand():
    # (0.9-0.8)/0.8 = 12.5 %, (0.6-0.8)/0.8 = -25 %: mean -6.25 %; second seed (0.5, 1) over (0.4, 0.8): 25 % and 25 %.
    table = np.array([[0.9, 0.6], [0.5, 1.0]])
    single = np.array([[0.8, 0.8], [0.4, 0.8]])
    assert relative_gain(table, single).tolist() == pytest.approx([-6.25, 25.0])


def test_there_is_no_gain_over_nothing():
    gains = relative_gain(np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[0.0, 0.5], [0.25, 0.5]]))
    assert np.isnan(gains[0])
    assert gains[1] == pytest.approx(50.0)


def test_negative_transfer_by_hand():
    single = np.full((4, 4), 0.8)
    # Differences of the first task: -0.1, -0.1, -0.1, -0.3: mean -0.15, sd 0.1, standard error 0.05: -3 of them.
    # Second: -0.2, 0.0, -0.2, 0.0: mean -0.1, sd 0.11547, standard error 0.057735: -1.73. Third: better. Fourth: always a bit worse.
    table = single + np.array([[-0.1, -0.2, 0.1, -0.01], [-0.1, 0, 0.1, -0.01], [-0.1, -0.2, 0.1, -0.01], [-0.3, 0, 0.1, -0.01]])
    assert suffers(table, single) == [True, False, False, True]


def test_exactly_two_standard_errors_are_no_negative_transfer():
    # Four differences of -1 ± √3/2: mean -1, sd 1, standard error 1/2.
    spread = 3**0.5 / 2
    differences = np.array([-1 - spread, -1 - spread, -1 + spread, -1 + spread])
    assert standard_error(differences) == pytest.approx(0.5)
    assert suffers((differences + 1e-9)[:, None], np.zeros((4, 1))) == [False]
    assert suffers((differences - 1e-9)[:, None], np.zeros((4, 1))) == [True]


def test_one_seed_tells_no_negative_transfer():
    assert suffers(np.array([[0.1, 0.9]]), np.array([[0.9, 0.1]])) == [None, None]
    assert suffers(np.array([[NAN], [NAN]]), np.array([[NAN], [NAN]])) == [None]
    assert false_alarm_rate(1) is None


def test_the_rate_of_false_alarms_is_the_tail_of_student():
    assert false_alarm_rate(2) == pytest.approx(0.1476, abs=1e-4)
    assert false_alarm_rate(100) == pytest.approx(0.0241, abs=1e-4)


def test_differences_that_all_seeds_share():
    assert seeds_p(np.array([0.1])) is None
    assert seeds_p(np.array([0.25, 0.25, 0.25])) is None
    # 0.1 + 0.2 is not 0.3: rounding is no variation.
    assert seeds_p(np.array([0.3, 0.1 + 0.2])) is None
    assert seeds_p(np.array([0.1 + 0.2 - 0.3, 0.0])) == 1.0
    assert seeds_p(np.array([0.0, 0.0])) == 1.0
    # Mean 2, sd 1, standard error 1/√3: t = 2·√3 = 3.4641 with two degrees of freedom, p = 1 - t/√(2 + t²) = 0.0742.
    assert seeds_p(np.array([1.0, 2.0, 3.0])) == pytest.approx(1 - 3.4641016 / (2 + 12) ** 0.5, abs=1e-6)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_holms_correction_raises_and_keeps_the_order(values):
    adjusted = holm(values)
    assert [value is None for value in adjusted] == [value is None for value in values]
    pairs = sorted((before, after) for before, after in zip(values, adjusted, strict=True) if before is not None)
    assert all(before <= after <= 1 for before, after in pairs)
    assert [after for _, after in pairs] == sorted(after for _, after in pairs)


def test_holms_correction_by_hand():
    # Sorted 0.01, 0.02, 0.03: times 3, 2, 1 = 0.03, 0.04, 0.03 -> 0.04.
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([]) == []
    assert holm([0.7, 0.6]) == [1.0, 1.0]
