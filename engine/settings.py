"""What a setting knows of itself: whether it decides a run's result, and what has a use for it.

It stands in the metadata of the fields in `engine.config`; everything that tells settings apart derives from it: what a checkpoint is
compared by, what may change when a run is resumed, what has no effect.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass
from pathlib import Path
from typing import Any, Literal

Effect = Literal["result", "rounding", "data", "source", "place", "none"]
"""`result`: decides the result. `rounding`: changes it by rounding only. `data`: chooses samples; these are compared.
`source`: names where values come from; these are compared. `place`: says where something lies. `none`: does not touch the result. The last
two may change when a run is resumed."""

_KEY = "dropstream"


@dataclass(frozen=True, kw_only=True, slots=True)
class Nature:
    """What a setting knows of itself."""

    effect: Effect = "result"
    """What it does to the result."""
    used_by: tuple[str, ...] = ()
    """Schedulers, or back ends, that have a use for it; empty for all."""
    may_change: Callable[[Any, Any], bool] | None = None
    """A condition under which it may change all the same: takes the configurations before and now."""
    because: str = ""
    """Why it may not change where the condition does not hold, behind its name: `, to which the rate's curve belongs,`."""


def setting(default: Any = MISSING, *, factory: Any = MISSING, **nature: Any) -> Any:  # noqa: ANN401 (like dataclasses.field)
    """Return a dataclass field with its `Nature`; a field without one decides the result, whatever else is set.

    Args:
        default: Its default value.
        factory: Or what makes it.
        **nature: Fields of `Nature`.
    """
    return dataclasses.field(default=default, default_factory=factory, metadata={_KEY: Nature(**nature)})


def nature_of(field: Field[Any]) -> Nature:
    """Return what a field knows of itself."""
    return field.metadata.get(_KEY, Nature())


def default_of(field: Field[Any]) -> object:
    """Return a field's default value."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def natures(config: Any) -> dict[str, Nature]:  # noqa: ANN401 (a configuration, or its class)
    """Return `section.key` -> what that setting knows of itself."""
    sections = [section for section in dataclasses.fields(config) if dataclasses.is_dataclass(section.type)]
    return {f"{section.name}.{key.name}": nature_of(key) for section in sections for key in dataclasses.fields(section.type)}  # pyrefly: ignore


def values(config: Any) -> dict[str, object]:  # noqa: ANN401 (a configuration)
    """Return `section.key` -> value."""
    return {f"{section}.{key}": value for section, keys in dataclasses.asdict(config).items() for key, value in keys.items()}


def unused(section: Any, user: str, *, but: tuple[str, ...] = ()) -> list[str]:  # noqa: ANN401 (a section of a configuration)
    """Return the keys of a section that are not at their default, and that this scheduler or back end has no use for."""
    return [
        key.name
        for key in dataclasses.fields(section)
        if key.name not in but
        and nature_of(key).used_by
        and user not in nature_of(key).used_by
        and getattr(section, key.name) != default_of(key)
    ]


def used(section: Any, user: str) -> list[str]:  # noqa: ANN401 (a section's class)
    """Return the keys of a section that this scheduler or back end in particular has a use for."""
    return [key.name for key in dataclasses.fields(section) if user in nature_of(key).used_by]


def differences(before: Any, now: Any) -> Iterator[str]:  # noqa: ANN401 (configurations)
    """Yield in words what of two configurations differs and may not differ between the two halves of a run.

    `data` settings are left out: the samples they come to have to be compared.
    """
    old, new, kinds = values(before), values(now), natures(now)
    for name, value in new.items():
        nature = kinds[name]
        allowed = nature.may_change is not None and nature.may_change(before, now)
        if nature.effect not in ("data", "place", "none") and not allowed and not _is_same(old[name], value, before, now):
            yield f"{name}{nature.because} was {_in_words(old[name])}, is {_in_words(value)}"


def deciding(config: Any) -> dict[str, str]:  # noqa: ANN401 (a configuration)
    """Return `section.key` -> value in words of what decides a run's result, by itself and exactly."""
    kinds = natures(config)
    return {
        f"{name}{kinds[name].because}": _in_words(value)
        for name, value in values(config).items()
        if kinds[name].effect in ("result", "rounding") and not ((allows := kinds[name].may_change) and allows(config, config))
    }


def _in_words(value: object) -> str:
    """Return a value as it is written on the command line.

    >>> _in_words((256, 64)), _in_words(()), _in_words(0.5)
    ('256 64', 'nothing', '0.5')
    """
    return (" ".join(map(str, value)) or "nothing") if isinstance(value, tuple) else str(value)


def _is_same(old: object, new: object, before: Any, now: Any) -> bool:  # noqa: ANN401 (configurations)
    if old == new:
        return True
    if not (isinstance(old, str | Path) and isinstance(new, str | Path)):
        return False
    # The same file under another name; or beside the run in the same way, in a folder that was moved or called from elsewhere.
    beside = isinstance(old, Path) and os.path.relpath(old, before.run.dir) == os.path.relpath(new, now.run.dir)
    return beside or Path(old).resolve() == Path(new).resolve()
