"""The 40 attributes of CelebA: how often each occurs, what goes with what, and a draw of them for synthetic faces.

Each attribute has a standard normal latent value: a weighted sum of five hidden factors (`male`, `age`, `joy`, `glamour`, `weight`)
and noise of its own. It is present where that value is above a threshold. What rules out what (a bald head has no hair colour)
is decided in an order that the table implies, and every threshold is found among the faces still undecided, so that the share of
faces with an attribute is the published one although some are ruled out.
"""

import functools
import graphlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from shards.faces.chance import generator

Traits = frozenset[str]
"""Names of the attributes that a face has."""

FACTORS = ("male", "age", "joy", "glamour", "weight")
_CALIBRATION_FACES = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One row of the table."""

    name: str
    """CelebA's name."""
    rate: float
    """Published share of faces that have it, in (0, 1)."""
    loadings: Mapping[str, float] = field(default_factory=dict)
    """Correlation of the latent value with each hidden factor; the squares sum to at most 1."""
    present_with: str = ""
    """Attribute that implies this one; a leading `-` means its absence."""
    absent_with: tuple[str, ...] = ()
    """Attributes that rule this one out; a leading `-` means their absence."""
    label_noise: float = 0.0
    """Share of faces whose written label differs from what is drawn, as people disagree about it."""

    def depends_on(self) -> Iterator[str]:
        """Yield the attributes that must be known first."""
        yield from (name.removeprefix("-") for name in (*self.absent_with, self.present_with) if name)


def _row(name: str, percent: float, noise: float = 0.0, *, but: str = "", given: str = "", **loadings: float) -> Attribute:
    return Attribute(
        name=name,
        rate=percent / 100,
        loadings=MappingProxyType(loadings),
        present_with=given,
        absent_with=tuple(but.split()),
        label_noise=noise,
    )


ATTRIBUTES = (
    _row("5_o_Clock_Shadow", 11.1, male=0.6, age=-0.1, but="-Male No_Beard"),
    _row("Arched_Eyebrows", 26.59, 0.03, male=-0.5, glamour=0.4),
    _row("Attractive", 51.3, 0.03, male=-0.35, age=-0.4, glamour=0.55, weight=-0.3),
    _row("Bags_Under_Eyes", 20.5, male=0.3, age=0.45),
    _row("Bald", 2.2, male=0.3, age=0.4, but="-Male"),
    _row("Bangs", 15.2, male=-0.35, but="Bald"),
    _row("Big_Lips", 24.09, 0.03, male=-0.25, glamour=0.2),
    _row("Big_Nose", 23.56, 0.03, male=0.4, age=0.25, weight=0.2),
    _row("Black_Hair", 23.9, male=0.1, but="Bald Gray_Hair Blond_Hair"),
    _row("Blond_Hair", 14.8, male=-0.5, glamour=0.2, but="Bald Gray_Hair"),
    _row("Blurry", 5.1),
    _row("Brown_Hair", 20.5, male=-0.15, but="Bald Gray_Hair Blond_Hair Black_Hair"),
    _row("Bushy_Eyebrows", 14.2, male=0.4),
    _row("Chubby", 5.8, male=0.15, age=0.2, weight=0.85),
    _row("Double_Chin", 4.7, male=0.15, age=0.4, weight=0.75),
    _row("Eyeglasses", 6.5, male=0.25, age=0.35),
    _row("Goatee", 6.3, male=0.3, but="-Male No_Beard"),
    _row("Gray_Hair", 4.2, male=0.25, age=0.75, but="Bald"),
    _row("Heavy_Makeup", 38.7, male=-0.8, age=-0.1, glamour=0.45),
    _row("High_Cheekbones", 45.5, 0.03, male=-0.2, joy=0.75, glamour=0.2),
    _row("Male", 41.7, male=1.0),
    _row("Mouth_Slightly_Open", 48.3, joy=0.6),
    _row("Mustache", 4.2, male=0.3, age=0.1, but="-Male No_Beard"),
    _row("Narrow_Eyes", 11.5, joy=0.1),
    _row("No_Beard", 83.5, male=-0.5, given="-Male"),
    _row("Oval_Face", 28.4, 0.03, male=-0.1, glamour=0.25, weight=-0.3),
    _row("Pale_Skin", 4.3, male=-0.1),
    _row("Pointy_Nose", 27.7, 0.03, male=-0.25, glamour=0.25),
    _row("Receding_Hairline", 8.0, male=0.35, age=0.45, but="Bangs"),
    _row("Rosy_Cheeks", 6.6, male=-0.45, joy=0.25, glamour=0.4),
    _row("Sideburns", 5.7, male=0.3, but="-Male No_Beard"),
    _row("Smiling", 48.2, male=-0.12, joy=0.88),
    _row("Straight_Hair", 20.8, but="Bald Wavy_Hair"),
    _row("Wavy_Hair", 32.0, male=-0.45, glamour=0.2, but="Bald"),
    _row("Wearing_Earrings", 18.65, 0.01, male=-0.6, glamour=0.2),
    _row("Wearing_Hat", 4.94, 0.003, male=0.15),
    _row("Wearing_Lipstick", 47.2, male=-0.85, glamour=0.42),
    _row("Wearing_Necklace", 12.14, 0.01, male=-0.5, glamour=0.15),
    _row("Wearing_Necktie", 7.3, male=0.6, age=0.2, but="Wearing_Necklace"),
    _row("Young", 77.89, 0.03, male=-0.3, age=-0.93),
)
NAMES = tuple(attribute.name for attribute in ATTRIBUTES)


def draw_attributes(seed: int, indices: Sequence[int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Draw the attributes of some faces; each face depends on (seed, index) alone.

    Args:
        seed: Seed of the data set, at least 0.
        indices: Positions of the faces, each at least 0.

    Returns:
        What to draw and what to write as labels, each [len(indices), 40] in the order of `NAMES`.
    """
    generators = [generator(seed, index, "attributes") for index in indices]
    normals = np.stack([each.standard_normal(len(FACTORS) + len(NAMES)) for each in generators])
    drawn = _decide(_latents(normals), lambda column, _values, _forced: _thresholds()[column])
    chance = np.stack([each.random((2, len(NAMES))) for each in generators])
    rates = np.array([attribute.rate for attribute in ATTRIBUTES])
    noise = np.array([attribute.label_noise for attribute in ATTRIBUTES])
    # A label redrawn at its own rate is wrong in 2 r (1 - r) of the cases and leaves the rate as it was; a flipped one would not.
    redrawn = chance[:, 0] < noise / (2 * rates * (1 - rates))
    return drawn, np.where(redrawn, chance[:, 1] < rates, drawn)


def _latents(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn [faces, 5 + 40] independent standard normal values into [faces, 40] correlated ones."""
    loadings = np.array([[attribute.loadings.get(factor, 0.0) for factor in FACTORS] for attribute in ATTRIBUTES])
    values = normals[:, len(FACTORS) :] * np.sqrt(np.maximum(0.0, 1.0 - (loadings**2).sum(axis=1)))
    # Not a matrix product: BLAS may round the last bit of a row differently with the number of rows.
    for column in range(len(FACTORS)):
        values = values + normals[:, column, None] * loadings[:, column]
    return values


def _decide(latents: NDArray[np.float64], threshold: Callable[[int, NDArray[np.float64], int], float]) -> NDArray[np.bool_]:
    """Compare latent values with thresholds, in an order in which what an attribute depends on is known before it.

    Args:
        latents: [faces, 40].
        threshold: Called with a column, the values of the faces that nothing has decided yet, and the number decided as present.
    """
    present = np.zeros(latents.shape, np.bool_)

    def holds(name: str) -> NDArray[np.bool_]:
        return present[:, NAMES.index(name.removeprefix("-"))] != name.startswith("-")

    for name in graphlib.TopologicalSorter({each.name: each.depends_on() for each in ATTRIBUTES}).static_order():
        column = NAMES.index(name)
        attribute = ATTRIBUTES[column]
        forced = holds(attribute.present_with) if attribute.present_with else np.zeros(len(latents), np.bool_)
        free = ~forced
        for other in attribute.absent_with:
            free &= ~holds(other)
        above = latents[:, column] > threshold(column, latents[free, column], int(forced.sum()))
        present[:, column] = forced | (free & above)
    return present


@functools.cache
def _thresholds() -> tuple[float, ...]:
    """Return the threshold of each attribute at which its share of faces is the published rate."""
    half = np.random.default_rng(0).standard_normal((_CALIBRATION_FACES // 2, len(FACTORS) + len(NAMES)))
    normals = np.concatenate([half, -half])  # a sample that is symmetric, as the distribution is, needs fewer faces
    thresholds = [math.nan] * len(NAMES)

    def calibrate(column: int, values: NDArray[np.float64], num_forced: int) -> float:
        wanted = ATTRIBUTES[column].rate * _CALIBRATION_FACES - num_forced
        thresholds[column] = float(np.quantile(values, 1.0 - wanted / len(values)))
        return thresholds[column]

    _decide(_latents(normals), calibrate)
    return tuple(thresholds)
