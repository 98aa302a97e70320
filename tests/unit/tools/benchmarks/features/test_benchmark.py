"""`tools/benchmark features`, end to end on a few small images."""

import json

import pytest

from shards.errors import ConfigurationError
from tools.benchmarks.features.benchmark import FeaturesBenchmark, benchmark_features


def test_the_figures_of_a_small_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    benchmark_features(FeaturesBenchmark(folder=tmp_path, num_images=200, image_size=32, epochs=1, trunk="vgg11"))
    figures = json.loads((tmp_path / "features.json").read_text())
    assert list(figures["ways"]) == ["trunk in every epoch", "features computed once", "features found"]
    assert all(way["samples_per_second"] > 0 and len(way["losses"]) == 1 and way["metrics"] for way in figures["ways"].values())
    assert figures["largest_relative_loss_difference"] < 1e-4
    assert figures["largest_metric_difference"] < 1e-3
    assert figures["bare_loop_samples_per_second"] > 0
    # Images and shards are kept, features and runs are not.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces-200", "features.json", "split-200"]
    assert "trunk in every epoch" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["num_images", "epochs"])
def test_counts_below_one_are_errors(name):
    with pytest.raises(ConfigurationError, match=rf"--{name.replace('_', '-')} is 0, expected at least 1"):
        FeaturesBenchmark(**{name: 0})
