"""The head without its features: outline, ears, the shading of skin, and what age writes on it."""

from dataclasses import dataclass

import numpy as np

from shards.faces.attributes import Traits
from shards.faces.canvas import Canvas, softened
from shards.faces.curves import CENTRE, Points, both, ellipse, mirrored, placed, ribbon, smooth
from shards.faces.palette import Palette, mix
from shards.faces.pose import Pose

SURFACE_SCALE = 0.5
"""Resolution of shading, which has no detail to lose."""

_WRINKLED = 0.3  # age from here on leaves wrinkles
_ROWS = ((80, 20), (86, 23), (92, 18))  # height and half of the length of the forehead's wrinkles


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Shape of a head and state of its skin; lengths in pixels, strengths from 0 to 1."""

    cheek: float
    """Half of the width at the eyes."""
    jaw: float
    """Half of the width at the mouth."""
    chin: float
    """Half of the width just above the chin's end."""
    chin_y: float
    age: float
    """Depth of wrinkles."""
    bags: float
    blush: float
    cheekbones: float
    double_chin: float
    gloss: float
    """Shine of the forehead, more on a bald head."""

    def outline(self) -> Points:
        """Return the closed outline of skull and jaw."""
        half = [
            (0, 57), (0.52 * self.cheek, 60), (0.86 * self.cheek, 76), (self.cheek, 104), (0.985 * self.cheek, 124),
            (self.jaw, 150), (self.chin, self.chin_y - 5), (0, self.chin_y),
        ]  # fmt: skip
        return smooth(mirrored(half), closed=True)


def choose_head(traits: Traits, rng: np.random.Generator) -> Head:
    """Choose a head for a person with these attributes."""
    male, chubby, oval = (name in traits for name in ("Male", "Chubby", "Oval_Face"))
    young = "Young" in traits
    width, jaw, chin, length, age, bags, blush, bones, double = rng.normal(0, 1, 9)
    return Head(
        cheek=42.5 + width + 4 * chubby - 1.5 * oval,
        jaw=33.5 + jaw + 2.5 * male + 7 * chubby - 2.5 * oval + 1.2 * (not young),
        chin=13.5 + chin + 3.5 * male + 4 * chubby - 1.5 * oval,
        chin_y=172.0 + 1.2 * length + 1.0 * male + 3.0 * oval,
        age=float(np.clip((0.08 if young else 0.75) + 0.13 * age, 0, 1)),
        bags=float(np.clip((0.85 if "Bags_Under_Eyes" in traits else 0.1 if young else 0.35) + 0.12 * bags, 0, 1)),
        blush=float(np.clip((0.95 if "Rosy_Cheeks" in traits else 0.3 - 0.08 * male) + 0.06 * blush, 0, 1)),
        cheekbones=float(np.clip((0.8 if "High_Cheekbones" in traits else 0.15) + 0.15 * bones, 0, 1)),
        double_chin=float(np.clip(0.8 + 0.1 * double, 0, 1)) if "Double_Chin" in traits else 0.0,
        gloss=0.9 if "Bald" in traits else 0.35,
    )


def draw_head(canvas: Canvas, head: Head, palette: Palette, pose: Pose, shade: Points | None) -> None:
    """Draw ears and head with shaded skin.

    Args:
        canvas: The picture.
        head: Shape and skin.
        palette: Colours.
        pose: For the turn and the light.
        shade: Outline of what throws its shadow on the skin, hair for example.
    """
    outline = head.outline()
    _draw_ears(canvas.moved(-0.5 * pose.yaw), head, palette)
    surface = Canvas.blank(SURFACE_SCALE, palette.skin, pose.matrix)
    surface.glow(ellipse(CENTRE + pose.light * 20, 112, 24, 50), palette.light, 0.55, 13)
    surface.glow(ellipse(CENTRE - pose.light * 46, 130, 15, 58), palette.shadow, 0.75, 9)
    surface.lines([outline], mix(palette.skin, palette.shadow, 0.8), 3, closed=True)
    surface.glow(ellipse(CENTRE, 82, 20, 10), palette.light, 0.5 * head.gloss + 0.1, 7)
    face = surface.moved(pose.yaw)
    face.glow(both(ellipse(20, 109, 14, 8)), palette.shadow, 0.38, 5)
    face.glow(both(ellipse(25, 136, 11, 8)), palette.blush, 0.75 * head.blush, 5)
    face.glow(both(ellipse(27, 127, 9, 4)), palette.light, 0.7 * head.cheekbones, 3)
    face.glow(both(ellipse(31, 143, 5, 9, turn=0.5)), palette.shadow, 0.55 * head.cheekbones, 4)
    face.glow(ellipse(CENTRE, head.chin_y - 6, 11, 4), palette.light, 0.35, 4)
    if shade is not None:
        surface.glow(shade, palette.shadow, 0.7, 3)
    canvas.paint(outline, softened(surface.pixels, 1.2))


def _draw_ears(canvas: Canvas, head: Head, palette: Palette) -> None:
    middle = head.cheek + 2
    canvas.fill(both(ellipse(middle, 117, 6, 12, turn=0.2)), mix(palette.skin, palette.shadow, 0.45))
    canvas.fill(both(ellipse(middle + 0.8, 116, 3.2, 7.5, turn=0.2)), mix(palette.skin, palette.shadow, 0.95))


def draw_age(canvas: Canvas, head: Head, palette: Palette) -> None:
    """Draw wrinkles, bags under the eyes and a double chin, on the canvas of the features."""
    canvas.glow(both(ribbon([(11, 121), (19, 125.5), (29, 121.5)], (0.6, 2.6, 0.6))), palette.line, 0.75 * head.bags, 0.7)
    if head.double_chin:
        fold = placed([(-20, -8.5), (0, -3), (20, -8.5)], y=head.chin_y)
        canvas.glow(ribbon(fold, (0.5, 2.2, 0.5)), palette.line, 0.8 * head.double_chin, 0.8)
    if head.age < _WRINKLED:
        return
    rows = [ribbon(placed([(-half, 0), (-half / 2, -1.5), (0, 0), (half / 2, -1.5), (half, 0)], y=y), (0.4, 1.7, 0.4)) for y, half in _ROWS]
    canvas.glow(np.stack(rows), palette.line, 0.58 * head.age, 0.6)
    creases = (
        ([(12, 131), (19, 140), (24, 153)], (0.8, 2.6, 0.5)),
        ([(34, 111), (36.5, 108.5), (39, 107)], (1.4, 1.0, 0.4)),
        ([(34, 114), (37, 114.3), (40, 114)], (1.4, 1.0, 0.4)),
        ([(33, 117), (36, 119.5), (38, 121)], (1.4, 1.0, 0.4)),
        ([(17.5, 157), (19, 160), (19.5, 163.5)], (0.6, 1.8, 0.4)),
    )
    outlines = np.concatenate([both(ribbon(points, widths)) for points, widths in creases])
    canvas.glow(outlines, palette.line, 0.58 * head.age, 0.6)
