"""An optimiser's state as tensors and JSON, instead of torch's pickle."""

from typing import Any

import torch
from torch import Tensor


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
        ValueError: The parameter groups differ, or a tensor is of another parameter.
    """
    current = optimizer.state_dict()["param_groups"]
    if [group["params"] for group in current] != rest["groups"]:
        raise ValueError("the optimiser has other parameter groups")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **rest["entries"]}.items():
        index, _, entry = name.partition(".")
        parameter = parameters[int(index)]
        # Fused optimisers walk both with one index: a shorter moment would be read behind its end.
        if isinstance(value, Tensor) and value.dim() and value.shape != parameter.shape:
            raise ValueError(f"{name} is {list(value.shape)}, and its parameter {list(parameter.shape)}")
        state.setdefault(int(index), {})[entry] = _laid_out_like(parameter, value)
    optimizer.load_state_dict({"state": state, "param_groups": current})


def _laid_out_like(parameter: Tensor, value: Any) -> Any:  # noqa: ANN401 (any entry of an optimiser's state)
    """Return a moment in its parameter's memory format: fused optimisers walk both in the order of memory, whatever their strides."""
    if isinstance(value, Tensor) and value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    return value
