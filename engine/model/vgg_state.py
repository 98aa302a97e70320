"""A VGG's weights out of what a file holds, whatever they are wrapped in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import get_args

import torch
import torchvision
from torch import Tensor
from torchvision.models import VGG

from engine.config import Trunk

_FIRST = "features.0.weight"
_LOGITS = "classifier.6.weight"
_COUNTER = "num_batches_tracked"
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""Parts of names that wrappers of torch leave, wherever they stand: of DataParallel, torch.compile and FSDP."""
_MOST_LEVELS = 4
_MOST_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class VggState:
    """Weights by torchvision's names."""

    tensors: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()
    """What was taken off, in words."""

    @property
    def num_classes(self) -> int:
        """Number of logits; torchvision's where there are none."""
        logits = self.tensors.get(_LOGITS)
        return 1000 if logits is None or logits.ndim != 2 else len(logits)


@dataclass(frozen=True, slots=True)
class _Network:
    path: tuple[str, ...]
    """Keys of the mappings around it."""
    prefix: str
    """Before its names."""
    dropped: str
    """What wrappers left in them."""
    tensors: Mapping[str, Tensor]


def find_vgg(state: object) -> VggState:
    """Find the VGG in what a file holds.

    Mappings around it are opened, and what stands before all its names is taken off. `VGG.features` alone will do.

    Raises:
        ValueError: There is none, or several. The message goes on after the file's name.
    """
    if not isinstance(state, Mapping):
        # Not a TypeError: a file holds it, and no caller passed it.
        raise ValueError(  # noqa: TRY004
            f"holds a {type(state).__name__}, expected tensors by name, as model.state_dict() has them"
        )
    networks = list[_Network]()
    for network in _networks(state):
        if not any(_is_same(network, known) for known in networks):
            networks.append(network)
    if len(networks) > 1:
        places = " and ".join(repr(_short(".".join([*network.path, network.prefix]).strip("."))) for network in networks[:3])
        raise ValueError(f"holds the weights of {len(networks)} networks, at {places}; save those you mean in a file of their own")
    if not networks:
        names = list(islice(_tensor_names(state), 3))
        found = f"its names are {', '.join(map(repr, names))} …" if names else "there is no tensor in it"
        raise ValueError(f"holds no VGG as torchvision names its weights ({_FIRST} …): {found}"[:260])
    (network,) = networks
    said = [f"under {_short('.'.join(network.path))!r}"] if network.path else []
    said += [f"without {network.dropped!r} in their names"] if network.dropped else []
    said += [f"without {_short(network.prefix)!r} before their names"] if network.prefix else []
    notes = (f"the weights were found {' and '.join(said)}",) if said else ()
    found = VggState(network.tensors, notes)
    return found if found.num_classes == 1000 else VggState(network.tensors, (*notes, f"the network has {found.num_classes:,} logits"))


def fill(vgg: VGG, needed: Mapping[str, Tensor], state: VggState, name: str) -> None:
    """Give a VGG its weights.

    Args:
        vgg: The network, without memory.
        needed: Those of its tensors that are read, by name.
        state: Weights; those of later layers may be missing, or belong to another classifier.
        name: The network's name.

    Raises:
        ValueError: They do not fit, or are no numbers. The message goes on after the file's name.
    """
    known = vgg.state_dict()
    foreign = [key for key in state.tensors if key.startswith("features.") and key not in known]
    tensors: dict[str, Tensor] = {}
    for key, target in needed.items():
        tensor = state.tensors.get(key)
        if tensor is None and key.endswith(_COUNTER):
            # torch before 0.4.1 did not count.
            tensor = torch.zeros((), dtype=target.dtype)
        if tensor is None:
            raise ValueError(f"does not hold the weights of torchvision's {name}: {key} is missing{_what_fits(state, name, key)}")
        if tensor.shape != target.shape:
            sizes = f"{key} is {_shape(tensor)}, expected {_shape(target)}"
            raise ValueError(f"does not hold the weights of torchvision's {name}: {sizes}{_what_fits(state, name, key)}")
        if tensor.is_meta:
            raise ValueError(f"holds no values: {key} is a tensor of the meta device; save the model after its weights are loaded")
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_floating_point() != target.is_floating_point():
            kind = tensor.dtype if tensor.layout is torch.strided else tensor.layout
            raise ValueError(f"holds {key} as {str(kind).removeprefix('torch.')}, expected plain floating-point numbers")
        tensors[key] = tensor.detach().to(target.dtype).contiguous()
        if not tensors[key].isfinite().all():
            raise ValueError(f"holds NaN or infinite values in {key}: the run that it comes from diverged, or the file is damaged")
    if foreign:
        raise ValueError(
            f"does not hold the weights of torchvision's {name}, which has no {_short(foreign[0])}{_what_fits(state, name, foreign[0])}"
        )
    vgg.load_state_dict(tensors, strict=False, assign=True)


def _networks(state: Mapping[object, object], path: tuple[str, ...] = ()) -> Iterator[_Network]:
    given = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
    tensors = {".".join(part for part in name.split(".") if part not in _WRAPPERS): value for name, value in given.items()}
    if len(tensors) < len(given):
        tensors = given
    parts = {part for name in given for part in name.split(".")} if tensors.keys() != given.keys() else set()
    dropped = next((f"{part}." for part in sorted(_WRAPPERS & parts)), "")
    for name in tensors:
        prefix = name.removesuffix(_FIRST)
        if prefix != name and (not prefix or prefix.endswith(".")):
            its = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            yield _Network(path, prefix, dropped, its)
    first = tensors.get(_FIRST.partition(".")[2])
    if first is not None and first.shape[1:] == (3, 3, 3):
        yield _Network(path, "", dropped, {f"features.{name}": value for name, value in tensors.items()})
    for name, value in state.items() if len(path) < _MOST_LEVELS else ():
        if isinstance(value, Mapping):
            yield from _networks(value, (*path, str(name)))


def _tensor_names(state: Mapping[object, object], level: int = 0) -> Iterator[str]:
    for name, value in state.items():
        if isinstance(value, Tensor):
            yield _short(str(name))
        elif isinstance(value, Mapping) and level < _MOST_LEVELS:
            yield from _tensor_names(value, level + 1)


def _short(name: str) -> str:
    return name if len(name) <= _MOST_CHARACTERS else f"{name[:_MOST_CHARACTERS]}…"


def _is_same(one: _Network, other: _Network) -> bool:
    """Return whether two names stand for the same weights."""
    return one.tensors.keys() == other.tensors.keys() and all(
        value is other.tensors[key] or (value.shape == other.tensors[key].shape and torch.equal(value, other.tensors[key]))
        for key, value in one.tensors.items()
    )


def _what_fits(state: VggState, wanted: str, wrong: str) -> str:
    """Return which of torchvision's VGGs has such layers, in words.

    Args:
        state: What was found.
        wanted: The network that it does not fit.
        wrong: A name that does not fit.
    """
    shapes = {key: value.shape for key, value in state.tensors.items() if key.startswith("features.") and key.endswith("weight")}
    for name in get_args(Trunk):
        with torch.device("meta"):
            features = getattr(torchvision.models, name)(weights=None, init_weights=False).features
        if {f"features.{key}": value.shape for key, value in features.state_dict().items() if key.endswith("weight")} == shapes:
            if name == wanted:
                convolutions = "; its convolutions are that network's: set model.tap to one of their stages"
                return convolutions if wrong.startswith("classifier.") else ""
            return f"; it is a {name}: model.trunk {name}"
    return ""


def _shape(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "a number"
