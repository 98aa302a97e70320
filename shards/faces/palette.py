"""Colours of a person: skin, hair and lips, with their light and dark sides."""

from dataclasses import dataclass

import numpy as np

from shards.faces.attributes import Traits
from shards.faces.canvas import Colour

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
INK: Colour = (46, 32, 34)
"""Lashes, pupils and the darkest lines: a warm near-black, softer than black."""

SKINS: tuple[Colour, ...] = (
    (250, 221, 200), (245, 209, 182), (240, 198, 166), (232, 184, 148), (221, 168, 130),
    (205, 149, 110), (182, 125, 88), (152, 100, 70), (122, 78, 55), (98, 62, 46),
)  # fmt: skip
_PALE: Colour = (250, 234, 226)
_BLACKS: tuple[Colour, ...] = ((36, 31, 35), (28, 26, 33), (44, 36, 36), (24, 24, 28))
_BROWNS: tuple[Colour, ...] = ((92, 58, 38), (112, 72, 46), (78, 50, 38), (128, 84, 54))
_BLONDS: tuple[Colour, ...] = ((226, 190, 122), (212, 170, 98), (238, 210, 154), (200, 158, 100))
_GRAYS: tuple[Colour, ...] = ((176, 174, 176), (204, 202, 202), (150, 148, 152))
# Hair that CelebA's raters gave no colour: auburn, ash, dark brown near black, and the occasional dye.
_OTHERS: tuple[Colour, ...] = ((142, 70, 44), (162, 82, 48), (120, 96, 76), (66, 46, 40), (58, 42, 38), (104, 44, 50), (150, 110, 80))
_LIPSTICKS: tuple[Colour, ...] = ((196, 44, 62), (214, 70, 96), (168, 36, 70), (222, 92, 110), (186, 60, 60), (150, 40, 62))


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Colours that several parts of a face share."""

    skin: Colour
    shadow: Colour
    """Skin turned away from the light."""
    light: Colour
    """Skin facing the light."""
    line: Colour
    """Creases and outlines in skin."""
    blush: Colour
    hair: Colour
    grey: float
    """Share of grey strands in the hair, 0 to 1."""
    lips: Colour


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return a colour between two; `share` is that of the second, 0 to 1.

    >>> mix((0, 0, 0), (100, 200, 50), 0.5)
    (50, 100, 25)
    """
    red, green, blue = (round(one + (other - one) * share) for one, other in zip(first, second, strict=True))
    return red, green, blue


def jittered(colour: Colour, rng: np.random.Generator, spread: float) -> Colour:
    """Return the colour with every channel moved by a normal deviate of standard deviation `spread`."""
    red, green, blue = np.clip(np.rint(colour + rng.normal(0, spread, 3)), 0, 255).astype(int).tolist()
    return red, green, blue


def pick(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    """Return one of the colours, all equally likely."""
    return colours[int(rng.integers(len(colours)))]


def choose_palette(traits: Traits, rng: np.random.Generator) -> Palette:
    """Choose the colours of a person with these attributes."""
    tone = float(np.clip(rng.beta(1.3, 2.0) * len(SKINS), 0, len(SKINS) - 1.001))
    grey = _choose_grey(traits, rng)
    dullness = rng.uniform(0.10, 0.24) * (0.5 if "Pale_Skin" in traits else 1.0)
    lips_share = rng.uniform(0.35, 0.6) - 0.12 * ("Male" in traits)
    lipstick = jittered(pick(_LIPSTICKS, rng), rng, 8)
    skin = jittered(mix(SKINS[int(tone)], SKINS[int(tone) + 1], tone % 1), rng, 3)
    if "Pale_Skin" in traits:
        skin = mix(skin if tone < 4 else SKINS[1], _PALE, 0.85)
    if "Young" not in traits:
        level = round(sum(skin) / 3)
        skin = mix(skin, (level + 4, level, level - 6), dullness)
    shadow = mix(mix(skin, (120, 52, 60), 0.30), BLACK, 0.10)
    natural = mix(mix(skin, (178, 70, 76), lips_share), BLACK, 0.04)
    return Palette(
        skin=skin,
        shadow=shadow,
        light=mix(skin, (255, 244, 224), 0.42),
        line=mix(mix(skin, (96, 34, 36), 0.55), BLACK, 0.12),
        blush=mix(skin, (232, 84, 92), 0.62),
        hair=mix(_choose_hair(traits, rng), _GRAYS[0], 0.35 * grey),
        grey=grey,
        lips=mix(natural, lipstick, 0.9) if "Wearing_Lipstick" in traits else natural,
    )


def _choose_hair(traits: Traits, rng: np.random.Generator) -> Colour:
    families = {"Gray_Hair": _GRAYS, "Blond_Hair": _BLONDS, "Black_Hair": _BLACKS, "Brown_Hair": _BROWNS}
    family = next((colours for name, colours in families.items() if name in traits), _OTHERS)
    # One draw for every family: a face whose hair colour changes keeps the rest.
    position = rng.random()
    return jittered(family[int(position * len(family))], rng, 5)


def _choose_grey(traits: Traits, rng: np.random.Generator) -> float:
    share = rng.random()
    return 0.0 if "Young" in traits else 0.25 + share * 0.4
