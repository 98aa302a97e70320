"""Whether a record's values are of the types that its class declares: a file may hold anything."""

import dataclasses
import types
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_MOST = 2**63
"""Every number stays below: what is made of larger ones, a float or a size, may fail."""
Check = Callable[[object], bool]


def check_types(record: Any) -> None:  # noqa: ANN401 (any dataclass)
    """Compare values with annotations. A whole number will do for a float; True is no number.

    Raises:
        ValueError: One is of another type; the message names it.
    """
    for name, is_right in _checks(type(record)):
        if not is_right(getattr(record, name)):
            raise ValueError(f"{type(record).__name__}.{name} is {repr(getattr(record, name))[:60]}")


@cache
def _checks(cls: type) -> tuple[tuple[str, Check], ...]:
    hints = get_type_hints(cls)
    return tuple((field.name, _check_of(hints[field.name])) for field in dataclasses.fields(cls))


@cache
def _check_of(hint: Any) -> Check:  # noqa: ANN401 (an annotation)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _any_of(tuple(map(_check_of, arguments)))
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in arguments
    if origin is tuple:
        return _tuple_of(tuple(_check_of(argument) for argument in arguments if argument is not Ellipsis), any_length=Ellipsis in arguments)
    if origin is dict:
        return _dict_of(_check_of(arguments[1]))
    if dataclasses.is_dataclass(hint):
        return lambda value: type(value) is hint and all(is_right(getattr(value, name)) for name, is_right in _checks(hint))
    numbers: dict[Any, Check] = {float: lambda value: type(value) is float or _is_whole(value), int: _is_whole}
    return numbers.get(hint, lambda value: type(value) is hint)


def _is_whole(value: object) -> bool:
    return type(value) is int and -_MOST < value < _MOST


def _any_of(checks: tuple[Check, ...]) -> Check:
    return lambda value: any(check(value) for check in checks)


def _tuple_of(checks: tuple[Check, ...], *, any_length: bool) -> Check:
    if any_length:
        (check,) = checks
        return lambda value: isinstance(value, tuple) and all(map(check, value))
    return lambda value: (
        isinstance(value, tuple) and len(value) == len(checks) and all(check(entry) for check, entry in zip(checks, value, strict=True))
    )


def _dict_of(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))
