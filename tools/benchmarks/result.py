"""The figures as a file: what was measured, where and when."""

import contextlib
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("numpy", "simplejpeg", "webdataset")


def write_result(path: Path, figures: Mapping[str, object], packages: Sequence[str] = ()) -> None:
    """Write the figures as JSON, the machine and the versions beside them.

    Args:
        path: File to write.
        figures: What was measured.
        packages: Further distributions whose versions matter; those that are not installed are left out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(packages), **figures}, indent=1) + "\n", encoding="utf-8")
    print(f"figures: {path}")


def machine(packages: Sequence[str] = ()) -> dict[str, object]:
    """Return what a reader of figures wants to know of the machine."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return {
        "cpu": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": _versions([*_PACKAGES, *packages]),
        "date": time.strftime("%Y-%m-%d"),
    }


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
