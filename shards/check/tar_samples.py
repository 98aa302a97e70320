"""From the members of a tar to samples: adjacent pairs of `KEY.jpg` or `KEY.png` and `KEY.npy`, each key once."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from shards.check.tar_walk import Defect, Member


class Sample(NamedTuple):
    """A pair of members."""

    key: str
    """Its key."""
    image: Member
    """`KEY.jpg` or `KEY.png`."""
    labels: Member
    """`KEY.npy`, right behind it."""


def pair(events: Iterable[Member | Defect]) -> Iterator[Sample | Defect]:
    """Yield the samples, the walk's defects, and what is wrong with how the members stand together."""
    pairing = _Pairing()
    for event in events:
        if isinstance(event, Defect):
            yield event
            if event.hides_member:
                pairing.forgive()
        elif sample := pairing.add(event):
            yield sample
    yield from pairing.end()


class _Pairing:
    """Where the members so far belong."""

    def __init__(self) -> None:
        self._image: Member | None = None
        self._forgiven = False
        self._at: dict[str, int] = {}
        """Where the first sample of each key begins."""
        self._last_key = ""
        self._alone: list[Member] = []

    def forgive(self) -> None:
        """A member was not recognised: whoever lacks a partner beside it is not to blame."""
        self._image = None
        self._forgiven = True

    def add(self, member: Member) -> Sample | Defect | None:
        """Take the next member; return the sample that it completes, or the second of that key as a defect."""
        image, forgiven = self._image, self._forgiven
        self._image, self._forgiven = None, False
        if image and member.suffix == "npy" and member.key == image.key:
            return self._complete(Sample(member.key, image, member))
        if image:
            self._alone.append(image)
        if member.suffix != "npy":
            self._image = member
        elif not forgiven:
            self._alone.append(member)
        return None

    def end(self) -> Iterator[Defect]:
        """Yield what is known only when all members have been seen."""
        if self._image:
            self._alone.append(self._image)
        by_key: dict[str, list[Member]] = {}
        for member in self._alone:
            by_key.setdefault(member.key, []).append(member)
        for key, members in by_key.items():
            yield Defect(members[0].header_at, self._why_alone(key, members), key)

    def _complete(self, sample: Sample) -> Sample | Defect:
        at = sample.image.header_at
        adjacent, self._last_key = sample.key == self._last_key, sample.key
        first = self._at.setdefault(sample.key, at)
        if first == at:
            return sample
        where = "one right behind the other" if adjacent else "apart"
        return Defect(at, f"is there twice, {where} (at bytes {first} and {at})", sample.key)

    def _why_alone(self, key: str, members: list[Member]) -> str:
        at = ", ".join(f"{member.suffix} at byte {member.header_at}" for member in members)
        if key in self._at:
            return f"has an extra member beside its pair ({at})"
        suffixes = {member.suffix for member in members}
        if "npy" in suffixes and len(suffixes) > 1:
            return f"its members are out of order ({at}): its label must stand right behind its image"
        if len(members) > 1:
            return f"has several members ({at}) and no partner to them"
        return f"has no image: {key}.jpg or {key}.png is missing" if suffixes == {"npy"} else f"has no label: {key}.npy is missing"
