"""With this folder on PYTHONPATH, an image beside which lies `IMAGE.pipe` is read from that pipe: a disk that takes its time.

Packing itself never reads a pipe; this makes it wait in the middle of a shard until a test has looked, in whatever process it works.
"""

import builtins
import os

_open = builtins.open


def _slow_open(file, *arguments, **options):
    if isinstance(file, str) and file.endswith(".jpg") and os.path.exists(f"{file}.pipe"):  # noqa: PTH110
        file = f"{file}.pipe"
    return _open(file, *arguments, **options)


builtins.open = _slow_open
