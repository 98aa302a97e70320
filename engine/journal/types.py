"""Whether a record's values are of the types that its class declares: a file may hold anything."""

import dataclasses
import types
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

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
    arguments = get_args(hint)
    makers: dict[Any, Callable[[tuple[Any, ...]], Check]] = {
        **dict.fromkeys((Union, types.UnionType), _any_of),
        Literal: _literal_of,
        tuple: _tuple_of,
        dict: _dict_of,
    }
    if make := makers.get(get_origin(hint)):
        return make(arguments)
    if dataclasses.is_dataclass(hint):
        return lambda value: type(value) is hint and all(is_right(getattr(value, name)) for name, is_right in _checks(cast("type", hint)))
    return {int: _is_whole, float: _is_number}.get(hint, lambda value: type(value) is hint)


def _is_whole(value: object) -> bool:
    return type(value) is int and -_MOST < value < _MOST


def _is_number(value: object) -> bool:
    return type(value) is float or _is_whole(value)


def _any_of(hints: tuple[Any, ...]) -> Check:
    checks = tuple(map(_check_of, hints))
    return lambda value: any(check(value) for check in checks)


def _literal_of(choices: tuple[Any, ...]) -> Check:
    return lambda value: isinstance(value, str) and value in choices


def _tuple_of(hints: tuple[Any, ...]) -> Check:
    if hints[-1] is Ellipsis:
        check = _check_of(hints[0])
        return lambda value: isinstance(value, tuple) and all(map(check, value))
    checks = tuple(map(_check_of, hints))
    return lambda value: (
        isinstance(value, tuple) and len(value) == len(checks) and all(check(entry) for check, entry in zip(checks, value, strict=True))
    )


def _dict_of(hints: tuple[Any, ...]) -> Check:
    # A key of JSON is a text whatever happens.
    check = _check_of(hints[1])
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))
