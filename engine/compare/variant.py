"""A way of training that is compared with others, and its names."""

import hashlib
import re
from dataclasses import dataclass

_UNSAFE = re.compile(r"[^A-Za-z0-9._=+,-]")
_LONGEST = 100
"""Characters of a folder's name before it is cut."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """A scheduler, and what else sets its runs apart."""

    scheduler: str
    """Name of the task scheduler."""
    balancer: str | None = None
    """`loss.balancer` of its runs, where balancers are compared."""
    sweep: tuple[str, str] | None = None
    """The setting that is varied, `section.field`, and its value in this variant."""

    @property
    def name(self) -> str:
        """Return what it is called in reports.

        >>> Variant(scheduler="random", sweep=("scheduler.rate", "0.1")).name, Variant(scheduler="mtl", balancer="torchjd.pcgrad").name
        ('random[scheduler.rate=0.1]', 'mtl+torchjd.pcgrad')
        """
        balancer = f"+{self.balancer}" if self.balancer else ""
        sweep = f"[{self.sweep[0]}={self.sweep[1]}]" if self.sweep else ""
        return self.scheduler + balancer + sweep

    @property
    def folder(self) -> str:
        """Return what its folder is called.

        >>> Variant(scheduler="random", sweep=("scheduler.rate", "0.1")).folder
        'random-scheduler.rate=0.1'
        """
        balancer = f"+{self.balancer}" if self.balancer else ""
        sweep = f"-{self.sweep[0]}={self.sweep[1]}" if self.sweep else ""
        return safe_name(self.scheduler + balancer + sweep)


def safe_name(name: str) -> str:
    """Return a name that any file system takes as one folder; other names give other folders.

    Args:
        name: Any text, of a task for instance.

    >>> safe_name("Wearing_Hat"), safe_name("../x y")
    ('Wearing_Hat', '_._x_y-46c740c6')
    """
    safe = _UNSAFE.sub("_", name)[:_LONGEST]
    if safe[:1] in {"", ".", "-"}:
        safe = "_" + safe[1:]
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
