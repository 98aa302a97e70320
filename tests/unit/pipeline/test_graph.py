"""The whole graph, as it runs on a GPU, here on a CPU: it must agree with the CPU's own way to the same batch."""

import dataclasses

import pytest
import torch

from engine.pipeline.dali_stream import graph_options
from engine.pipeline.finisher import Finisher
from engine.pipeline.graph import Graph, GraphOptions, graph_input
from engine.pipeline.imagenet import STD
from engine.pipeline.loading_plan import LoadingPlan
from engine.pipeline.source import ByteSource
from tests.loading import open_loader


def options_for(plan: LoadingPlan, **changes) -> GraphOptions:
    return dataclasses.replace(graph_options(plan), **({"finish": True, "prefetch": 1} | changes))


def run(plan: LoadingPlan, options: GraphOptions) -> torch.Tensor | list[torch.Tensor]:
    """One batch through a graph."""
    part = plan.share(0)
    images = ByteSource(plan.dataset, check_crc=True).read(part.ids).images
    fed = graph_input(images, part.variation, options)
    graph = Graph(lambda _: fed, options)
    try:
        return graph.run()
    finally:
        graph.close()


VARIATIONS = {
    "plain": {},
    "mirror": {"mirror": True},
    "pieces": {"crop": (0.3, 1.0), "mirror": True},
    "colours": {"brightness": 0.3, "hue": 20.0, "crop": (0.3, 1.0)},
}


CASES = [
    (name, size) for name, augment in VARIATIONS.items() for size in (224, 64, (100, 60), "none") if size != "none" or "crop" not in augment
]


@pytest.mark.parametrize(("variation", "size"), CASES)
def test_the_whole_graph_agrees_with_the_finisher(shards, variation, size):
    augment = VARIATIONS[variation]
    plan = open_loader(shards, image_size=size, augment=augment)._plan
    whole = run(plan, options_for(plan))
    finisher = Finisher(batch_size=8, size=plan.size(), dtype=torch.float32, channels_last=False, num_threads=2)
    expected = finisher(run(plan, options_for(plan, finish=False)), plan.share(0).variation)
    finisher.close()
    assert whole.shape == expected.shape == (8, 3, *plan.size())
    levels = ((whole - expected) * torch.tensor(STD).view(3, 1, 1)).abs()
    # Two implementations of the same filter, one rounding to whole grey levels; at a piece's edge DALI may look beyond it.
    assert levels.mean() < (1.0 if "crop" in augment else 0.6)
    assert levels.quantile(0.99) < (8 if "crop" in augment else 2)


@pytest.mark.parametrize(("half", "channels_last"), [(True, False), (False, True), (True, True)])
def test_type_and_memory_format(shards, half, channels_last):
    plan = open_loader(shards)._plan
    plain, other = (run(plan, options_for(plan, **changes)) for changes in ({}, {"half": half, "channels_last": channels_last}))
    assert other.dtype == (torch.float16 if half else torch.float32)
    assert other.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    assert torch.allclose(other.float(), plain, atol=2e-3)
