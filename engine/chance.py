"""The one place where seeds come from: every user of chance owns a generator named by what it is for and when."""

import zlib

import numpy as np


def seed_of(seed: int, name: str, epoch: int = 0, step: int = 0) -> np.random.SeedSequence:
    """Return the seed sequence of one use of chance.

    Args:
        seed: The run's seed.
        name: What the chance is for (`order`, `mask`, …): other names give unrelated streams.
        epoch: Epoch, from 0.
        step: Step inside the epoch, from 0.
    """
    return np.random.SeedSequence([seed, zlib.crc32(name.encode()), epoch, step])


def generator(seed: int, name: str, epoch: int = 0, step: int = 0) -> np.random.Generator:
    """Return a numpy generator for one use of chance; arguments as in `seed_of`.

    >>> first, again, other = (generator(7, name).integers(1000) for name in ("mask", "mask", "order"))
    >>> bool(first == again), bool(first == other)
    (True, False)
    """
    return np.random.default_rng(seed_of(seed, name, epoch, step))


def torch_seed(seed: int, name: str, epoch: int = 0, step: int = 0) -> int:
    """Return a 63-bit seed for a torch generator; arguments as in `seed_of`."""
    return int(seed_of(seed, name, epoch, step).generate_state(1, np.uint64)[0] >> 1)
