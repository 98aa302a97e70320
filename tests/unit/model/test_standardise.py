"""Features on a common scale."""

import numpy as np
import pytest
import torch
from torch import nn

from engine.config import ModelConfig
from engine.model.readout import TaskReadout
from engine.model.standardise import Standardise


def measured(features) -> Standardise:
    module = Standardise(features.shape[1])
    module.measure(features)
    return module


def test_it_begins_as_the_identity():
    features = torch.randn(3, 4)
    assert torch.equal(Standardise(4)(features), features)


def test_each_feature_gets_mean_0_and_deviation_1():
    chance = np.random.default_rng(0)
    features = chance.normal([5.0, -300.0, 0.01], [2.0, 40.0, 3.0], size=(4000, 3))
    scaled = measured(features)(torch.from_numpy(features).float()).double().numpy()
    assert scaled.mean(0) == pytest.approx([0, 0, 0], abs=1e-4)
    assert scaled.std(0) == pytest.approx([1, 1, 1], rel=1e-4)


def test_a_feature_that_hardly_varies_is_not_blown_up():
    features = np.tile([[1.0, 7.0, 5.0], [3.0, 7.0, 5.0 + 1e-9]], (10, 1))
    scaled = measured(features)(torch.tensor([[1.0, 7.0, 5.0], [3.0, 8.0, 6.0]]))
    # A twentieth of the root mean square of the deviations 1, 0 and 0 is the least that one counts for.
    least = 0.05 / 3**0.5
    assert scaled.tolist() == [pytest.approx([-1, 0, 0], abs=1e-4), pytest.approx([1, 1 / least, 1 / least], rel=1e-4)]


def test_where_nothing_varies_only_the_mean_is_taken():
    assert measured(np.full((5, 2), 3.0))(torch.tensor([[3.0, 4.0]])).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(("options", "taps"), [({}, {"fc6", "pool1"}), ({"standardise": False}, set()), ({"train_from": "fc6"}, set())])
def test_only_features_of_a_frozen_trunk_are_scaled(options, taps):
    widths = {"fc6": 5, "pool1": 3}
    config = ModelConfig(tap="fc6", task_taps={"b": "pool1"}, hidden=(4,), **options)
    readout = TaskReadout(config, ("a", "b", "c"), widths.__getitem__, seed=0)
    assert set(readout.scales) == taps
    plain = TaskReadout(
        ModelConfig(tap="fc6", task_taps={"b": "pool1"}, hidden=(4,), standardise=False), ("a", "b", "c"), widths.__getitem__, seed=0
    )
    seen = {tap: torch.randn(6, width) for tap, width in widths.items()}
    for tap in taps:
        readout.scales[tap].measure(seen[tap].double().numpy())
    scaled = {tap: readout.scales[tap](value) if taps else value for tap, value in seen.items()}
    assert torch.equal(readout(seen), plain(scaled))


def test_units_survive_features_that_lie_far_from_zero():
    """The cause of runs that never learned: one step of Adam moves every unit by the sum of all features."""
    torch.manual_seed(0)
    features = 30 + torch.randn(256, 512)
    labels = (features[:, :5].sum(1, keepdim=True) > 150).float()

    def living_units(scale: nn.Module) -> int:
        torch.manual_seed(1)
        hidden = nn.Sequential(scale, nn.Linear(512, 16), nn.ReLU())
        head = nn.Linear(16, 1)
        optimizer = torch.optim.Adam([*hidden.parameters(), *head.parameters()], lr=2e-3)
        for _ in range(30):
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(head(hidden(features)), labels).backward()
            optimizer.step()
        return int((hidden(features) > 0).any(0).sum())

    assert living_units(Standardise(512)) < 16
    assert living_units(measured(features.double().numpy())) == 16
