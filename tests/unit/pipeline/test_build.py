"""A loader as configured."""

import pytest
from PIL import Image

from engine.config import PipelineConfig
from shards.errors import ConfigurationError
from tests.conftest import pack, write_celeba
from tests.loading import open_loader


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "gpu"}, "pipeline.decoder gpu has no effect: the run is on cpu"),
        ({"hw_decoder_load": 0.9}, "pipeline.hw_decoder_load has no effect: the run is on cpu"),
    ],
)
def test_settings_for_a_gpu_need_one(shards, options, message):
    PipelineConfig(**options)
    with pytest.raises(ConfigurationError, match=message):
        open_loader(shards, **options)


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
