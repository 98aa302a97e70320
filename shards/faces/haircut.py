"""The shape of hair: where it begins and ends, and how it waves."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shards.faces.attributes import Traits
from shards.faces.curves import Points, normals, placed, resample, smooth
from shards.faces.head import Head

Cut = Literal["bald", "short", "bob", "long", "up"]
Front = Literal["swept", "fringe", "receding"]

Knots = list[tuple[float, float]]

KNOTS = 78
"""Points of an edge and of a strand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hair:
    """Cut and texture of hair, in pixels."""

    cut: Cut
    front: Front
    volume: float
    """Height above the skull."""
    length_y: float
    """Where long hair ends."""
    part: float
    """Where it is parted, to the right of the middle."""
    lift: float
    """How much higher short hair stands on the side of the part."""
    wave: float
    """Half of the height of its waves."""
    num_waves: float
    """From one end over the head to the other."""
    phase: float
    curly: bool
    num_strands: int
    side_fringe: bool
    """Whether a bald head has hair above the ears."""
    tips: NDArray[np.float64]
    """[9] how far the tips of a fringe hang below its edge."""


def choose_hair(traits: Traits, rng: np.random.Generator) -> Hair:
    """Choose a cut for a person with these attributes."""
    kind, place, chance = rng.random(3)
    volume, length, part, wave = rng.normal(0, 1, 4)
    cuts: tuple[tuple[float, Cut], ...] = ((0.54, "long"), (0.76, "bob"), (0.90, "up"), (1.0, "short"))
    if "Male" in traits:
        cuts = ((0.04, "long"), (0.10, "bob"), (1.0, "short"))
    wavy, hat = "Wavy_Hair" in traits, "Wearing_Hat" in traits
    cut: Cut = next(cut for limit, cut in cuts if kind <= limit and not (hat and cut == "up"))
    curly = wavy and (cut == "short" or (cut == "bob" and chance < 0.6))
    amplitude = 2.3 + 0.4 * wave if wavy else 0.0 if "Straight_Hair" in traits else 0.6 + 0.2 * wave
    return Hair(
        cut="bald" if "Bald" in traits else cut,
        front="fringe" if "Bangs" in traits else "receding" if "Receding_Hairline" in traits else "swept",
        volume=4.0 if hat else float(np.clip(10.0 + 1.8 * volume + 1.0 * wavy + 3.0 * curly, 5.5, 16)),
        length_y=float(np.clip(212 + 14 * length, 188, 244)),
        part=float(np.copysign(6 + 12 * place, part)),
        lift=0.0 if hat else float(np.clip(4 + 2.5 * length, 0, 9)),
        wave=max(float(amplitude), 0.0),
        num_waves=9.0 + 4.0 * chance,
        phase=float(6.28 * place),
        curly=curly,
        num_strands=int(20 + 8 * chance),
        side_fringe=bool(chance < 0.6),
        tips=rng.normal(0, 1.3, 9),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Where hair begins and ends: two curves from its left tip over the head to its right tip.

    Both have `KNOTS` points, so that strands lie between points of equal position.
    """

    outer: Points
    inner: Points


def edges_of(hair: Hair, head: Head) -> Edges:
    """Return the edges of hair on a head."""
    outer, inner = _sides(hair, head.cheek)
    left_top, right_top = _top(hair, head.cheek)
    whole_outer = [*((-x, y) for x, y in reversed(outer)), *left_top, *right_top, *outer]
    whole_inner = [*((-x, y) for x, y in inner), *_crest(hair, head.cheek), *reversed(inner)]
    return Edges(outer=_waved(np.array(whole_outer), hair, 1.0), inner=_waved(np.array(whole_inner), hair, 0.5))


def _top(hair: Hair, cheek: float) -> tuple[Knots, Knots]:
    """Return the outer edge over the skull, its left half with the middle and its right half."""
    lift = hair.lift if hair.cut == "short" and not hair.curly else 0.0
    side = np.sign(hair.part)
    heights = [hair.volume + lift * share for share in (-0.2 - 0.6 * side, -0.4 * side + 0.3, 0.5, 0.4 * side + 0.3, -0.2 + 0.6 * side)]
    low_left, left, middle, right, low_right = heights
    temple = cheek + 0.7 * hair.volume
    return (
        [(-temple, 102), (-0.9 * cheek - 0.5 * low_left, 75 - 0.5 * low_left), (-0.55 * cheek, 60 - left), (0, 57 - middle)],
        [(0.55 * cheek, 60 - right), (0.9 * cheek + 0.5 * low_right, 75 - 0.5 * low_right), (temple, 102)],
    )


def _sides(hair: Hair, cheek: float) -> tuple[Knots, Knots]:
    """Return outer and inner edge beside the face, on the right, both ending in the same tip.

    The outer one goes from the temple to the tip, the inner one from the tip to the temple.
    """
    volume, end = hair.volume, hair.length_y
    outer: Knots
    inner: Knots
    if hair.cut == "long":
        outer = [(cheek + volume + 1, 135), (cheek + volume + 5, 168), (cheek + volume + 1, end - 10), (cheek - 3, end)]
        inner = [(cheek - 3, end), (cheek - 13, end - 14), (cheek - 8, 174), (cheek - 2.5, 150), (cheek - 3, 118)]
    elif hair.cut == "bob":
        outer = [(cheek + volume + 2, 132), (cheek + volume + 2, 158), (cheek - 4, 172)]
        inner = [(cheek - 4, 172), (cheek - 5, 158), (cheek - 2, 146), (cheek - 3, 118)]
    else:
        outer = [(cheek + 3.5, 113), (cheek - 1.5, 122)]
        inner = [(cheek - 1.5, 122), (cheek - 4.5, 108)]
    if hair.front == "fringe":
        return outer, [*inner, (cheek - 6, 102)]
    if hair.front == "receding":
        return outer, [*inner, (cheek - 4.5, 95), (0.8 * cheek, 78), (0.52 * cheek, 65)]
    return outer, [*inner, (cheek - 5.5, 92), (0.72 * cheek, 79)]


def _crest(hair: Hair, cheek: float) -> Knots:
    """Return the inner edge above the forehead, from left to right."""
    if hair.front == "fringe":
        x = np.linspace(-0.76 * cheek, 0.76 * cheek, 9)
        return list(zip(x.tolist(), (97.0 + hair.tips + 2.4 * (np.arange(9) % 2)).tolist(), strict=True))
    if hair.front == "receding":
        return [(-0.2 * cheek, 69.0), (0.0, 70.5), (0.2 * cheek, 69.0)]
    if hair.cut in ("long", "bob"):
        return [(hair.part - 12, 75), (hair.part, 70), (hair.part + 12, 75)]
    return [(-0.35 * cheek, 75.5 + 0.1 * hair.part), (0.35 * cheek, 75.5 - 0.1 * hair.part)]


def _waved(knots: Points, hair: Hair, share: float) -> Points:
    """Return a smooth curve in picture coordinates with the hair's waves, of which it takes that share."""
    curve = resample(smooth(knots), KNOTS)
    position = np.linspace(-1, 1, KNOTS)
    if hair.curly:
        swing = 2 * np.abs(np.sin(position * np.pi * 1.1 * hair.num_waves)) - 1
    else:
        swing = np.sin(position * np.pi * hair.num_waves + hair.phase) * (0.3 + 0.7 * np.abs(position))
    # The ends stay where they are, as both edges meet there.
    swing *= np.clip(12 * (1 - np.abs(position)), 0, 1)
    return placed(curve + normals(curve) * (share * hair.wave * swing)[:, None])
