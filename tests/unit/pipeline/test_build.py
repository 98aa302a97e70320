"""A loader as configured."""

import pytest
from PIL import Image

from engine.pipeline.dali_loader import DaliLoader
from engine.pipeline.synthetic_loader import SyntheticLoader
from engine.pipeline.torch_loader import TorchLoader
from shards.errors import ConfigurationError
from tests.conftest import pack, write_celeba
from tests.loading import open_loader


def test_each_backend_has_its_loader(shards):
    kinds = {backend: type(open_loader(shards, backend=backend)) for backend in ("dali", "torch", "synthetic")}
    assert kinds == {"dali": DaliLoader, "torch": TorchLoader, "synthetic": SyntheticLoader}


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((178, 200), r"but '\d+' has 178 x 2\d\d pixels and '\d+' has 178 x 2\d\d; give a size"),
        (None, "images of 20 x 20 pixels are too small"),
    ],
)
def test_images_that_cannot_be_left_as_they_are_are_refused(tmp_path, size, message):
    source = write_celeba(tmp_path / "celeba", num_images=24)
    paths = sorted((source / "img_align_celeba").iterdir())
    for path in paths[3:4] if size else paths:
        Image.open(path).resize(size or (20, 20)).save(path)
    with pytest.raises(ConfigurationError, match=message):
        open_loader(pack(source, tmp_path / "shards"), image_size="none")
