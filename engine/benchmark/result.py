"""The figures as a file: what was measured, where and when."""

import json
import os
import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("numpy", "simplejpeg", "webdataset")


def write_result(path: Path, figures: Mapping[str, object]) -> None:
    """Write the figures as JSON, the machine and the versions beside them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), **figures}, indent=1) + "\n", encoding="utf-8")
    print(f"figures: {path}")


def machine() -> dict[str, object]:
    """Return what a reader of figures wants to know of the machine."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return {
        "cpu": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
        "date": time.strftime("%Y-%m-%d"),
    }
