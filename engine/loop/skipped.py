"""What all ranks together have to tell about damaged samples."""

from accelerate.utils import gather_object

from engine.pipeline.loader import Loader
from engine.records import SkipRecord


def skip_records(loader: Loader, *, split: str, epoch: int) -> list[SkipRecord]:
    """Return the damaged samples that the ranks have met since the last call; a collective call, the same answer on every rank.

    Args:
        loader: This rank's loader of the split.
        split: Its name.
        epoch: Epoch of the records.
    """
    met = gather_object(loader.bad_samples.news())
    return [SkipRecord(epoch=epoch, split=split, shard=shard, key=key, reason=reason) for shard, key, reason in met]
