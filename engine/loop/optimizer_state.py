"""An optimiser's state as tensors and JSON, instead of torch's pickle."""

from typing import Any

import torch
from torch import Tensor

_ENTRIES: dict[type[torch.optim.Optimizer], set[str]] = {
    torch.optim.SGD: {"momentum_buffer"},
    torch.optim.Adam: {"step", "exp_avg", "exp_avg_sq"},
    torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"},
}
"""What torch's optimisers remember of a parameter, as the engine builds them."""

_MOST_STEPS = 2**53


def split_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the state's tensors, named `<parameter>.<entry>`, and everything else in JSON types."""
    state = optimizer.state_dict()
    entries = [(f"{index}.{name}", value) for index, values in state["state"].items() for name, value in values.items()]
    tensors = {name: value for name, value in entries if isinstance(value, Tensor)}
    rest = {name: value for name, value in entries if not isinstance(value, Tensor)}
    return tensors, {"entries": rest, "groups": [group["params"] for group in state["param_groups"]]}


def join_state(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], rest: dict[str, Any]) -> None:
    """Load what `split_state` returned; learning rates and the like stay as the optimiser has them.

    Raises:
        ValueError: The parameter groups differ, or an entry is missing, or of another size.
    """
    current = optimizer.state_dict()["param_groups"]
    if [group["params"] for group in current] != rest.get("groups"):
        raise ValueError("the optimiser has other parameter groups")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **_entries(rest)}.items():
        index, _, entry = name.partition(".")
        if not index.isdecimal() or int(index) >= len(parameters):
            raise ValueError(f"the optimiser has no place for {name!r}")
        if not _fits(parameters[int(index)], entry, value):
            raise ValueError(f"{name} is {in_words(value)}, and its parameter {in_words(parameters[int(index)])}")
        state.setdefault(int(index), {})[entry] = _laid_out_like(parameters[int(index)], value)
    wanted = next((names for kind, names in _ENTRIES.items() if type(optimizer) is kind), None)
    damaged = [index for index, values in state.items() if wanted is not None and values.keys() != wanted]
    if damaged:
        raise ValueError(f"the optimiser's state of its parameter {damaged[0]} is not whole")
    optimizer.load_state_dict({"state": state, "param_groups": current})


def _entries(rest: dict[str, Any]) -> dict[str, Any]:
    entries = rest.get("entries")
    # A momentum that has not begun is None.
    if not isinstance(entries, dict) or not all(value is None or isinstance(value, bool | int | float) for value in entries.values()):
        raise ValueError("the optimiser's state has damaged entries")
    return entries


def _fits(parameter: Tensor, entry: str, value: Any) -> bool:  # noqa: ANN401 (any entry of an optimiser's state)
    # Fused optimisers walk both with one index: a shorter moment would be read behind its end.
    if not isinstance(value, Tensor):
        return entry != "step"
    if entry == "step":
        return value.shape == () and value.is_floating_point() and 0 <= value.item() < _MOST_STEPS
    return value.shape in (parameter.shape, ()) and value.is_floating_point()


def _laid_out_like(parameter: Tensor, value: Any) -> Any:  # noqa: ANN401 (any entry of an optimiser's state)
    """Return a moment in its parameter's memory format: fused optimisers walk both in the order of memory, whatever their strides."""
    if isinstance(value, Tensor) and value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    return value


def in_words(value: Any) -> str:  # noqa: ANN401 (any entry of an optimiser's state)
    """Return a tensor's shape and type, or any other value as it is.

    >>> in_words(torch.zeros(2, 3)), in_words(None)
    ('[2, 3] float32', 'None')
    """
    return f"{list(value.shape)} {str(value.dtype).removeprefix('torch.')}" if isinstance(value, Tensor) and value.dim() else repr(value)
