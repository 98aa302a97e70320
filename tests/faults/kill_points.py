"""Packs the same folder again and again, killed each time by SIGKILL at another point: `python kill_points.py SOURCE OUT [POINT …]`.

Without points it prints the number of events of each kind as JSON. A point is `KIND:NUMBER`, the folder it leaves `OUT/KIND-NUMBER`.
Children are forked from this process, which has no threads: twenty real kills take no twenty starts of Python.
"""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import shards.tar
from shards import files
from shards.packing import output
from shards.packing.options import PackOptions
from shards.packing.pack import make_shards
from shards.tar import ShardFile


def pack(source: Path, out: Path) -> None:
    make_shards(
        PackOptions(
            images=str(source / "img_align_celeba"),
            attributes=(str(source / "list_attr_celeba.txt"),),
            partition=(str(source / "list_eval_partition.txt"),),
            out=str(out),
            shards=3,
            workers=1,
        )
    )


class Killer:
    """Counts events; at the one it waits for the process ends as if its plug were pulled."""

    def __init__(self, kind: str = "", number: int = 0) -> None:
        self.counts: Counter[str] = Counter()
        self._point = (kind, number)

    def reached(self, kind: str) -> bool:
        self.counts[kind] += 1
        return (kind, self.counts[kind]) == self._point

    def event(self, kind: str) -> None:
        if self.reached(kind):
            os.kill(os.getpid(), signal.SIGKILL)


def before(killer: Killer, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def watched(*arguments, **options):
        killer.event(kind)
        return function(*arguments, **options)

    return watched


def watch(killer: Killer) -> None:
    """Put the killer before every step that changes the disk."""
    # A flush for each sample: a shard of a test is smaller than what is usually gathered.
    shards.tar._FLUSH = 1
    flush, replace = ShardFile._flush, Path.replace

    def watched_flush(shard: ShardFile) -> None:
        killer.event("between members")
        if killer.reached("inside a member"):
            data = b"".join(shard._parts)
            shard._file.write(data[: len(data) // 2])
            shard._file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        flush(shard)

    def watched_replace(path: Path, target: Path) -> Path:
        killer.event("before the manifest's rename" if target.name == "manifest.json" else "before a rename")
        result = replace(path, target)
        killer.event("after a rename")
        return result

    ShardFile._flush, Path.replace = watched_flush, watched_replace
    Path.unlink = before(killer, "before a removal", Path.unlink)
    Path.rmdir = before(killer, "before a folder's removal", Path.rmdir)
    files.os.fsync = before(killer, "before an fsync", os.fsync)
    output.publish = before(killer, "before the arrays", output.publish)


def main() -> None:
    source, out, points = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    if not points:
        killer = Killer()
        watch(killer)
        pack(source, out / "counted")
        print(json.dumps(killer.counts))
    for point in points:
        kind, _, number = point.partition(":")
        child = os.fork()
        if not child:
            watch(Killer(kind, int(number)))
            pack(source, out / f"{kind}-{number}")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"{point} was never reached"
        assert os.WTERMSIG(status) == signal.SIGKILL


if __name__ == "__main__":
    main()
