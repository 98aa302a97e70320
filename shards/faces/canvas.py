"""A picture to draw on: antialiased shapes in the face's own coordinates, whatever the pose and the resolution."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.faces.curves import Points

WIDTH, HEIGHT = 178, 218
"""Size of the finished picture and of the coordinates, in pixels."""

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

_OVERSAMPLED = 2.0
_BITS = 4  # of a pixel's fraction in OpenCV's integer coordinates


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Pixels and where the face's coordinates fall on them."""

    pixels: Image
    """[height, width, 3] RGB; drawn upon in place."""
    matrix: NDArray[np.float64]
    """[3, 3] from (x, y, 1) to sixteenths of a pixel."""
    scale: float
    """Pixels per unit of the coordinates."""

    @classmethod
    def blank(cls, scale: float, colour: Colour, pose: NDArray[np.float64] | None = None) -> Self:
        """Return a picture of one colour, `scale` times the finished size.

        Args:
            scale: Pixels per unit.
            colour: RGB.
            pose: [2, 3] affine map of the coordinates, in units; none leaves them where they are.
        """
        pixels = np.empty((round(HEIGHT * scale), round(WIDTH * scale), 3), np.uint8)
        _flood(pixels, colour)
        # The middle of the first pixel is 0 in OpenCV and half a pixel from the edge in the coordinates.
        fixed = np.array([[scale, 0, -0.5], [0, scale, -0.5], [0, 0, 1]]) * (1 << _BITS)
        return cls(pixels=pixels, matrix=fixed @ np.vstack([np.eye(2, 3) if pose is None else pose, (0, 0, 1)]), scale=scale)

    def moved(self, right: float, down: float = 0.0, *, side: int = 1) -> Self:
        """Return the same picture with the origin of the coordinates moved, in units; `side` -1 lets x grow to the left from there."""
        return replace(self, matrix=self.matrix @ np.array([[side, 0, right], [0, 1, down], [0, 0, 1]]))

    def fill(self, outline: Points, colour: Colour, alpha: float = 1.0) -> None:
        """Fill an outline [n, 2], or several that do not overlap [k, n, 2], with a colour of opacity `alpha`."""
        if alpha >= 1:
            cv2.fillPoly(self.pixels, list(self._fixed(outline)), colour, cv2.LINE_AA, _BITS)
        else:
            self.glow(outline, colour, alpha, 0.0)

    def glow(self, outline: Points, colour: Colour, alpha: float, blur: float) -> None:
        """Fill outlines with soft edges; `blur` is the standard deviation in units."""
        polygons = self._fixed(outline)
        left, top, right, bottom = self._window(polygons, 2.5 * blur * self.scale + 1)
        if left < right and top < bottom:
            under = self.pixels[top:bottom, left:right]
            mask = self._mask(polygons, (left, top, right, bottom), alpha)
            blend(under, colour, softened(mask, blur * self.scale))

    def lines(self, curves: Points | Sequence[Points], colour: Colour, width: float = 1.0, *, closed: bool = False) -> None:
        """Draw curves, [k, n, 2] or a list, with a pen; its width in units is rounded to whole pixels, at least one."""
        thickness = max(1, round(width * self.scale))
        # One call for curves of equal length: hair is drawn in a third of the time.
        fixed = list(self._fixed(curves)) if isinstance(curves, np.ndarray) else [self._fixed(curve)[0] for curve in curves]
        cv2.polylines(self.pixels, fixed, closed, colour, thickness, self._edge(), _BITS)

    def paint(self, outline: Points, surface: Image) -> None:
        """Fill an outline with a picture of the whole canvas at a lower resolution, which must divide that of the canvas."""
        polygons = self._fixed(outline)
        ratio = len(self.pixels) // len(surface)
        left, top, right, bottom = (edge // ratio for edge in self._window(polygons, ratio))
        if left < right and top < bottom:
            small = surface[top:bottom, left:right]
            window = (left * ratio, top * ratio, right * ratio, bottom * ratio)
            under = self.pixels[window[1] : window[3], window[0] : window[2]]
            mask = np.zeros(under.shape[:2], np.uint8)
            cv2.fillPoly(mask, list(polygons - np.array(window[:2], np.int32) * (1 << _BITS)), 255, self._edge(), _BITS)
            cv2.copyTo(enlarged(small, under), mask, under)

    def _edge(self) -> int:
        """Return how OpenCV draws the edges of thin and of large things: where pixels are averaged later, that smooths them enough."""
        return cv2.LINE_AA if self.scale < _OVERSAMPLED else cv2.LINE_8

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        """Return OpenCV's coordinates of one curve or several, [k, n, 2]."""
        fixed = (points @ self.matrix[:2, :2].T + self.matrix[:2, 2]).astype(np.int32)
        return fixed if fixed.ndim == 3 else fixed[None]

    def _window(self, polygons: NDArray[np.int32], margin: float) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom of the pixels that polygons and a margin around them take up."""
        left, top, width, height = cv2.boundingRect(polygons.reshape(-1, 2))
        rim = int(margin) + 2
        far_x, far_y = (left + width >> _BITS) + rim, (top + height >> _BITS) + rim
        return (
            max((left >> _BITS) - rim, 0),
            max((top >> _BITS) - rim, 0),
            min(far_x, self.pixels.shape[1]),
            min(far_y, self.pixels.shape[0]),
        )

    @staticmethod
    def _mask(polygons: NDArray[np.int32], window: tuple[int, int, int, int], alpha: float) -> Image:
        left, top, right, bottom = window
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(mask, list(polygons - np.array((left << _BITS, top << _BITS), np.int32)), round(128 * alpha), cv2.LINE_AA, _BITS)
        return mask


def blend(under: Image, over: Image | Colour, mask: Image) -> None:
    """Lay a picture or a colour over another picture, in place.

    Args:
        under: [height, width, 3].
        over: [height, width, 3] or a colour.
        mask: [height, width] opacity of `over`, 0 to 128: a difference times 128 fits 16 bits.
    """
    change = np.empty(under.shape, np.int16)
    if isinstance(over, np.ndarray):
        change[:] = over
    else:
        _flood(change, over)
    change -= under
    change *= cv2.cvtColor(mask, cv2.COLOR_GRAY2RGB)
    change += 64
    change >>= 7
    np.add(under, change, out=under, casting="unsafe")


def _flood(pixels: NDArray[np.uint8 | np.int16], colour: Colour) -> None:
    """Set every pixel; a tenth of the time that NumPy's broadcasting of three values takes."""
    cv2.rectangle(pixels, (0, 0), (pixels.shape[1], pixels.shape[0]), colour, cv2.FILLED)


def softened(pixels: Image, deviation: float) -> Image:
    """Blur a picture; nearly a Gaussian of that standard deviation in pixels, in a time that does not grow with it.

    Two passes of a moving average, whose variances (width ** 2 - 1) / 12 add up. OpenCV's own fast blur (stackBlur) will not do:
    its last bit changes with the number of threads.
    """
    total = round(2 * (6 * deviation**2 + 1) ** 0.5)
    first = total // 4 * 2 + 1
    for width in (first, max(total - first, 1) // 2 * 2 + 1):
        if width > 1:
            pixels = np.asarray(cv2.blur(pixels, (width, width)), np.uint8)
    return pixels


def enlarged(small: Image, like: Image) -> Image:
    """Return a picture enlarged to the size of another."""
    return np.asarray(cv2.resize(small, like.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
