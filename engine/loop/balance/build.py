"""From configuration to balancer."""

from collections.abc import Sequence
from functools import partial

from accelerate import Accelerator
from torch import nn

from engine.config import Config
from engine.loop.balance.balancer import Balancer
from engine.loop.balance.shared import shared_parameters
from engine.loop.dropout import seed_dropout
from engine.model.multitask import MultitaskModel

CAGRAD_C = 0.4
"""The value of the authors' NYU-v2 experiments (the script of their code for that data set)."""

# TorchJD is an optional extra: what imports it is imported only when it is asked for, and `check_balancer` has seen that it is there.


def build_balancer(config: Config, accelerator: Accelerator, module: MultitaskModel) -> Balancer | None:
    """Return the configured balancer, or None for none.

    Args:
        config: The resolved configuration, which `check_balancer` has let pass.
        accelerator: Devices and ranks.
        module: The model.
    """
    if config.loss.balancer == "none":
        return None
    build = {
        "torchjd.equal": _equal,
        "torchjd.uncertainty": _uncertainty,
        "torchjd.dwa": _dwa,
        "torchjd.famo": _famo,
    }.get(config.loss.balancer, _gradients)
    return build(config, accelerator, module)


def _equal(_config: Config, accelerator: Accelerator, _module: MultitaskModel) -> Balancer:
    from engine.loop.balance.equal import EqualWeights

    return EqualWeights(accelerator)


def _uncertainty(_config: Config, accelerator: Accelerator, module: MultitaskModel) -> Balancer:
    from engine.loop.balance.uncertainty import UncertaintyWeights

    return UncertaintyWeights(accelerator, len(module.tasks))


def _dwa(_config: Config, accelerator: Accelerator, module: MultitaskModel) -> Balancer:
    from engine.loop.balance.dwa import DynamicWeightAverage

    return DynamicWeightAverage(accelerator, len(module.tasks))


def _famo(config: Config, accelerator: Accelerator, module: MultitaskModel) -> Balancer:
    from engine.loop.balance.famo import Famo

    repeat = partial(seed_dropout, config.run.seed, rank=accelerator.process_index) if module.uses_chance() else None
    return Famo(accelerator, len(module.tasks), buffers=list(module.buffers()), repeat_chance=repeat)


def _gradients(config: Config, accelerator: Accelerator, module: MultitaskModel) -> Balancer:
    from torchjd.aggregation import CAGradWeighting, GramianWeightedAggregator, PCGradWeighting, UPGradWeighting

    from engine.loop.balance.gradients import GradientBalancer
    from engine.loop.balance.nash import NashBalancer
    from engine.loop.balance.weighting import TermWeighting

    shared = shared_parameters(config.model, module.trunk, module.readout, module.tasks)
    own = _others(module, shared)
    if config.loss.balancer == "torchjd.nash_mtl":
        return NashBalancer(accelerator, len(module.tasks), shared=shared, own=own, seed=config.run.seed)
    weighting = {
        "torchjd.pcgrad": lambda: TermWeighting(PCGradWeighting(), of_mean=False),
        "torchjd.cagrad": lambda: TermWeighting(CAGradWeighting(c=CAGRAD_C), of_mean=True),
        "torchjd.upgrad": lambda: TermWeighting(UPGradWeighting(), of_mean=True),
    }[config.loss.balancer]()
    return GradientBalancer(accelerator, GramianWeightedAggregator(weighting), shared=shared, own=own, seed=config.run.seed)


def _others(module: nn.Module, shared: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    known = set(map(id, shared))
    return [parameter for parameter in module.parameters() if parameter.requires_grad and id(parameter) not in known]
