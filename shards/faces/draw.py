"""A whole face: parts chosen from attributes, drawn from back to front."""

import numpy as np

from shards.faces import beard, clothes, eyes, finish, glasses, hair, haircut, hat, head, jewellery, mouth, nose, palette, pose, scene
from shards.faces.attributes import Traits
from shards.faces.canvas import Canvas, Image, enlarged
from shards.faces.chance import generator

_OVERSAMPLING = 2.0


def draw_face(traits: Traits, seed: int, index: int) -> Image:
    """Draw one face.

    Args:
        traits: Names of the attributes it has.
        seed: Seed of the data set, at least 0.
        index: Position of the face in the data set, at least 0; with the seed it decides everything that the attributes leave open.

    Returns:
        [218, 178, 3] RGB.
    """

    def chance(part: str) -> np.random.Generator:
        return generator(seed, index, part)

    stance = pose.choose_pose(chance("pose"))
    colours = palette.choose_palette(traits, chance("palette"))
    shape = head.choose_head(traits, chance("head"))
    cut = haircut.choose_hair(traits, chance("hair"))
    edges = haircut.edges_of(cut, shape)
    jewels = jewellery.choose_jewellery(traits, chance("jewellery"))

    canvas = Canvas.blank(_OVERSAMPLING, (0, 0, 0), stance.matrix)
    canvas.pixels[:] = enlarged(scene.draw_scene(chance("scene")), canvas.pixels)
    features = canvas.moved(stance.yaw)
    rear = canvas.moved(-0.5 * stance.yaw)

    hair.draw_back(rear, cut, edges, colours)
    clothes.draw_body(canvas, clothes.choose_clothes(traits, chance("clothes")), shape, colours, stance)
    if jewels.necklace:
        jewellery.draw_necklace(canvas, jewels)
    head.draw_head(canvas, shape, colours, stance, hair.shade_of(cut, edges))
    beard.draw_beard(canvas.moved(0.6 * stance.yaw), beard.choose_beard(traits, chance("beard")), shape, colours)
    head.draw_age(features, shape, colours)
    eyes.draw_eyes(features, eyes.choose_eyes(traits, chance("eyes")), colours)
    mouth.draw_mouth(features, mouth.choose_mouth(traits, chance("mouth")), colours)
    nose.draw_nose(canvas.moved(1.4 * stance.yaw), nose.choose_nose(traits, chance("nose")), colours, stance)
    hair.draw_front(canvas, cut, edges, shape, colours, stance)
    if (spectacles := glasses.choose_glasses(traits, chance("glasses"))) is not None:
        glasses.draw_glasses(features, spectacles, shape)
    if jewels.earring:
        jewellery.draw_earrings(rear, jewels, shape)
    if (headgear := hat.choose_hat(traits, chance("hat"))) is not None:
        hat.draw_hat(canvas, headgear, shape)
    return finish.finished(canvas.pixels, finish.choose_finish(traits, chance("finish")), generator(seed, index, "grain"))
