import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.report.rows import beats_all_positive, beats_majority, epoch_rows, has_own_threshold, mean, mean_metrics, mean_row


def test_an_epochs_rows_join_schedule_loss_and_metrics(make):
    young, hat = epoch_rows(make.history(make.run, make.epoch, make.eval), 0)
    assert (young.task, young.probability, young.active_share, young.train_loss, young.metrics) == ("Young", 1.0, 1.0, 0.5, make.metrics)
    assert (hat.task, hat.probability, hat.active_share, hat.train_loss, hat.metrics) == ("Wearing_Hat", 0.8, 0.75, 0.25, make.constant)


def test_an_epoch_without_val_has_no_metrics(make):
    assert [row.metrics for row in epoch_rows(make.history(make.run, make.epoch), 0)] == [None, None]


def test_the_mean_row_by_hand(make):
    row = mean_row(epoch_rows(make.history(make.run, make.epoch, make.eval), 0))
    assert (row.task, row.probability, row.active_share, row.train_loss) == ("mean", 0.9, 0.875, 0.375)
    assert row.metrics.accuracy == pytest.approx(0.935)  # (0.9 + 0.97) / 2
    assert row.metrics.majority_accuracy == pytest.approx(0.875)
    assert row.metrics.loss == pytest.approx(0.3)
    assert row.metrics.calibration_error == pytest.approx(0.03)
    assert row.metrics.all_positive_f1 == 6 / 7  # of the one task that has it
    assert row.metrics.threshold is None
    assert row.metrics.balanced_accuracy == 0.8  # of the one task that has it
    assert (row.metrics.num_labelled, row.metrics.num_positive) == (800, 300)


def test_the_mean_of_nothing_is_nothing(make):
    assert mean_row([]).metrics is None
    assert mean_metrics([make.constant]).auroc is None


def test_beating_the_majority_means_more_not_as_much(make):
    assert beats_majority(make.metrics) is True
    assert beats_majority(make.replace(make.metrics, accuracy=0.75)) is False
    assert beats_majority(make.replace(make.metrics, accuracy=None)) is None
    assert beats_majority(None) is None


def test_beating_the_answer_present_means_more_not_as_much(make):
    assert beats_all_positive(make.metrics) is True
    assert beats_all_positive(make.replace(make.metrics, f1=6 / 7)) is False
    assert beats_all_positive(make.constant) is None
    assert beats_all_positive(None) is None


def test_an_own_threshold_is_any_but_half(make):
    assert not has_own_threshold(make.metrics)
    assert not has_own_threshold(None)
    assert not has_own_threshold(mean_metrics([make.replace(make.metrics, threshold=0.3)]))
    assert has_own_threshold(make.replace(make.metrics, threshold=0.3))


@given(st.lists(st.one_of(st.none(), st.floats(-1, 1))))
def test_the_mean_lies_between_its_values(values):
    present = [value for value in values if value is not None]
    result = mean(values)
    assert (result is None) == (not present)
    assert result is None or min(present) - 1e-12 <= result <= max(present) + 1e-12
