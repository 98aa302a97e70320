"""How many cores this process may use: those it is bound to, and no more than a container's quota pays for."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Return the smaller of affinity and quota, at least 1."""
    return max(1, min(len(os.sched_getaffinity(0)), cpu_quota() or 1 << 16))


def cpu_quota(groups: Path = _GROUPS, own: Path = _OWN_GROUPS) -> int | None:
    """Return the cores that control groups allow, rounded up; None where there is no limit.

    `sched_getaffinity` does not know of them: a container with a quota of 8 on a machine of 96 cores sees 96.

    Args:
        groups: Where control groups are mounted.
        own: This process's groups.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    found = [cores for line in lines for cores in _limits(groups, line)]
    return max(1, math.ceil(min(found))) if found else None


def _limits(groups: Path, line: str) -> Iterator[float]:
    """Yield the limits of a group and of those around it; inside a container those that are mounted."""
    _, controllers, path = [*line.split(":", 2), "", ""][:3]
    if not controllers:
        roots = [groups, groups / "unified"]
    elif "cpu" in controllers.split(","):
        roots = [groups / controllers, groups / "cpu"]
    else:
        return
    for root in roots:
        group = root / path.strip("/")
        for folder in (group, *group.parents):
            yield from _limit(folder)
            if folder == root:
                break


def _limit(folder: Path) -> Iterator[float]:
    version_2 = _words(folder / "cpu.max")
    version_1 = [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
    for quota, *period in filter(None, (version_2, version_1)):
        # "max" and -1 stand for no limit.
        if quota.isdecimal() and len(period) == 1 and period[0].isdecimal() and int(period[0]):
            yield int(quota) / int(period[0])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return []
