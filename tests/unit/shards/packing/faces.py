"""Small images for tests that pack."""

from pathlib import Path

import numpy as np
import simplejpeg


def put_faces(folder: Path, *names: str) -> None:
    """Write an image of 48 x 40 pixels under each name."""
    jpeg = simplejpeg.encode_jpeg(np.full((40, 48, 3), 128, np.uint8))
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg)
