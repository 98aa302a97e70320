"""What a contender's process is told: the data, the batches that are wanted and how long it is watched."""

import json
from collections.abc import Callable, Iterator, Sized
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """The same for all contenders, through JSON to their processes."""

    faces: str
    """Folder of the JPEGs in CelebA's layout."""
    shards: str
    """The same images packed, all in the training split."""
    litdata: str
    """The same once more, as litdata stores them."""
    threads: int
    """Threads or worker processes."""
    batch_size: int
    """Images in a batch."""
    image_size: int
    """Height and width of the images in a batch."""
    warmup_batches: int
    """Batches before the clock starts: workers begin, pools fill."""
    batches: int
    """Fewest batches that the clock sees."""
    seconds: float
    """Shortest time on the clock."""

    def to_json(self) -> str:
        """Return it as an argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Work":
        """Return what `to_json` was called on."""
        return cls(**json.loads(text))

    def shard_paths(self) -> list[Path]:
        """Return the tars of the training split in their order."""
        return sorted(Path(self.shards).glob("train-*.tar"))


Loaded = tuple[Sized, Any]
"""Images, whose length counts, and labels: for a contender two tensors, float32 [batch, 3, size, size] and int8 [batch, attributes]."""

OpenStream = Callable[[Work], AbstractContextManager[Iterator[Loaded]]]
"""Starts a contender; the exit ends its threads and processes."""
