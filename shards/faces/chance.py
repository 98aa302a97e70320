"""Where the randomness of a face comes from: one generator per (seed, face, part of the picture)."""

import numpy as np

PARTS = (
    "attributes",
    "scene",
    "pose",
    "palette",
    "head",
    "hair",
    "eyes",
    "nose",
    "mouth",
    "beard",
    "clothes",
    "jewellery",
    "glasses",
    "hat",
    "finish",
    "grain",
    "conflict",
)


def generator(seed: int, index: int, part: str) -> np.random.Generator:
    """Return the generator of one part of one face.

    Every part has its own, so that a face with another nose keeps its hair.

    >>> generator(0, 7, "nose").random() == generator(0, 7, "nose").random()
    True
    """
    return np.random.default_rng((seed, index, PARTS.index(part)))
