"""From a drawing to a photograph: exposure, focus and sensor noise."""

from dataclasses import dataclass

import cv2
import numpy as np

from shards.faces.attributes import Traits
from shards.faces.canvas import HEIGHT, WIDTH, Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What the camera does."""

    gains: tuple[float, float, float]
    """Factor on red, green and blue."""
    gamma: float
    """Exponent of brightness: below 1 is brighter."""
    blur: float
    """Standard deviation in pixels."""
    noise: float
    """Largest deviation of a pixel, in grey levels."""


def choose_finish(traits: Traits, rng: np.random.Generator) -> Finish:
    """Choose the camera's part for a picture with these attributes."""
    red, green, blue = (1 + 0.03 * rng.normal(0, 1, 3)).tolist()
    blur = rng.uniform(1.3, 2.3)
    return Finish(
        gains=(red, green, blue),
        gamma=float(np.clip(np.exp(0.13 * rng.normal()), 0.7, 1.4)),
        blur=blur if "Blurry" in traits else 0.0,
        noise=rng.uniform(2, 7.5),
    )


def finished(pixels: Image, finish: Finish, rng: np.random.Generator) -> Image:
    """Return the picture at its final size, [218, 178, 3]."""
    small = cv2.resize(pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    levels = np.linspace(0, 1, 256)[:, None] ** finish.gamma * 255 * np.array(finish.gains)
    toned = cv2.LUT(small, np.clip(np.rint(levels), 0, 255).astype(np.uint8)[None])
    if finish.blur:
        toned = cv2.GaussianBlur(toned, (0, 0), finish.blur)
    # The sum of two bytes is close enough to a normal deviate and thirty times as fast to draw.
    coarse = np.frombuffer(rng.bytes(2 * HEIGHT * WIDTH), np.uint8).reshape(2, HEIGHT, WIDTH)
    grain = np.add(coarse[0], coarse[1], dtype=np.int16)
    grain -= 255
    grain *= round(8 * finish.noise)
    grain >>= 11
    return np.asarray(cv2.add(toned, cv2.merge([grain] * 3), dtype=cv2.CV_8U), np.uint8)
