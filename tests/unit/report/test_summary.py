import json

import pytest

from engine.report.summary import headline, summarise, summary_json


def test_a_whole_run(make):
    summary = summarise(make.history(*make.records()))
    assert (summary.status, summary.num_epochs, summary.num_processes, summary.wall_seconds) == ("finished", 3, 1, 100.0)
    assert summary.mean_probabilities == pytest.approx((0.9, 0.9))
    assert summary.mean_active_shares == pytest.approx((0.8, 0.8))
    assert summary.result is summary.test
    assert summary.test.num_samples == 500
    assert summary.test.mean.accuracy == pytest.approx(0.825)  # (0.9 + 0.75) / 2
    assert headline(summary) == "test balanced accuracy 0.800 (chance 0.500) · accuracy 0.825 · majority 0.750"


def test_best_and_last_val_epoch(make):
    def evaluated(epoch: int, balanced: float | None):
        return make.replace(make.eval, epoch=epoch, metrics=(make.replace(make.metrics, balanced_accuracy=balanced), make.constant))

    summary = summarise(make.history(make.run, evaluated(0, 0.7), evaluated(1, 0.8), evaluated(2, 0.8), evaluated(3, None)))
    assert (summary.best_val.epoch, summary.last_val.epoch) == (1, 3)
    assert summary.result is summary.last_val
    assert summarise(make.history(make.run, evaluated(0, None))).best_val is None


def test_a_run_that_has_only_begun(make):
    summary = summarise(make.history(make.run))
    assert (summary.status, summary.num_epochs, summary.wall_seconds, summary.result) == ("unfinished", 0, None, None)
    assert summary.mean_probabilities == (None, None)
    assert headline(summary) == "no evaluation yet"


def test_wall_time_is_the_sum_over_the_processes(make):
    history = make.history(
        make.run, make.replace(make.end, reason="stopped", seconds=30.0), make.replace(make.run, resumed_epoch=1), make.end
    )
    assert summarise(history).wall_seconds == 130.0


def test_the_json_twin_says_the_same(make):
    twin = json.loads(summary_json(summarise(make.history(*make.records()))))
    assert twin["throughput"]["verdict"] == "compute-bound"
    assert twin["throughput"]["images_per_second"] == 200.0
    assert twin["test"]["mean"]["balanced_accuracy"] == pytest.approx(0.8)
    assert [entry["task"] for entry in twin["test"]["tasks"]] == twin["run"]["tasks"] == ["Young", "Wearing_Hat"]
    assert twin["notes"][0] == "mean test accuracy 82.5 % is above the majority predictor's 75.0 %"
