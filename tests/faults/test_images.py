"""F-21 to F-23: broken images, images of other kinds, and bombs. One policy: in packing, training and evaluation the same pixels."""

import io
import shutil
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import torch
from nvidia.dali import fn, pipeline_def
from PIL import Image, ImageOps
from torchvision.io import ImageReadMode, decode_jpeg

from engine.pipeline.imagenet import MEAN, STD
from shards.dataset import ShardDataset
from shards.errors import DataError
from shards.image.check import check_image
from shards.image.header import BadImageError
from tests.conftest import pack, write_celeba
from tests.loading import open_loader

ORIENTATION = 0x0112
IMAGE_SIZE = 64


def picture(width: int = 178, height: int = 218) -> Image.Image:
    """Draw a picture whose corners differ in colour, so that each of the eight ways to lay it down looks different."""
    corners = np.array([[[230, 30, 30], [30, 200, 40]], [[40, 40, 220], [220, 210, 60]]], np.uint8)
    return Image.fromarray(corners).resize((width, height), Image.Resampling.BICUBIC)


def encode(
    format_name: str = "JPEG", *, mode: str = "RGB", size: tuple[int, int] = (178, 218), orientation: int | None = None, **options
) -> bytes:
    if orientation is not None:
        options["exif"] = Image.Exif()
        options["exif"][ORIENTATION] = orientation
    if format_name == "JPEG":
        options = {"quality": 92} | options
    buffer = io.BytesIO()
    picture(*size).convert(mode).save(buffer, format_name, **options)
    return buffer.getvalue()


def subsampled(name: str) -> bytes:
    return simplejpeg.encode_jpeg(np.asarray(picture(177, 219)), quality=92, colorsubsampling=name)


def exif_segment(orientation: int) -> bytes:
    data = encode(orientation=orientation)
    start = data.index(b"\xff\xe1")
    return data[start : start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")]


JPEG = encode()
HEADER_ONLY = JPEG[: JPEG.index(b"\xff\xda")]


def claiming(size: int, *, progressive: bool) -> bytes:
    """Return a small JPEG whose header claims `size` by `size` pixels."""
    data = bytearray(encode(progressive=progressive))
    start = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[start + 5 : start + 9] = size.to_bytes(2, "big") * 2
    return bytes(data)


def png_bomb() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (20000, 20000)).save(buffer, "PNG")
    return buffer.getvalue()


def with_scan_header(end: bytes) -> bytes:
    """Return the JPEG with other last bytes in its scan's header."""
    at = JPEG.index(b"\xff\xda")
    at += int.from_bytes(JPEG[at + 2 : at + 4], "big") + 2 - len(end)
    return JPEG[:at] + end + JPEG[at + len(end) :]


def padded(data: bytes, *padding: bytes) -> bytes:
    """Put bytes between the picture and its end marker."""
    return data[:-2] + b"".join(padding) + data[-2:]


def mpo() -> bytes:
    """Return a file of two pictures, as stereo and some front cameras write it."""
    buffer = io.BytesIO()
    picture().save(buffer, "MPO", save_all=True, append_images=[picture().rotate(180)], quality=92)
    return buffer.getvalue()


BROKEN = {
    "truncated-at-90%": (JPEG[: len(JPEG) * 9 // 10], "cannot be decoded"),
    "truncated-at-50%": (JPEG[: len(JPEG) // 2], "cannot be decoded"),
    "truncated-with-an-end": (JPEG[: len(JPEG) // 2] + b"\xff\xd9", "cannot be decoded"),
    "header-only": (HEADER_ONLY, "cannot be decoded .its header ends early"),
    "no-end-marker": (JPEG[:-2], "cannot be decoded .it has no end marker"),
    "empty": (b"", "is empty"),
    "zeros": (bytes(5000), "holds zeros and no image"),
    "random-bytes": (b"\x17" + np.random.default_rng(0).bytes(5000), "is neither JPEG nor PNG"),
    "html": (b"<!DOCTYPE html><html><body>Quota exceeded</body></html>", "is neither JPEG nor PNG but an HTML page"),
    "gif": (encode("GIF", mode="P"), "is neither JPEG nor PNG but a GIF image"),
}
OTHER_KINDS = {
    "png-cut": (encode("PNG")[:-30], "cannot be decoded .it ends early"),
    "bmp": (encode("BMP"), "is neither JPEG nor PNG but a BMP image"),
    "webp": (encode("WEBP"), "is neither JPEG nor PNG but a WebP image"),
    "cmyk": (encode(mode="CMYK"), "is a CMYK JPEG"),
    "rgb-coded": (encode(keep_rgb=True), "is an RGB-coded JPEG"),
    "junk-before-the-end": (padded(JPEG, b"\x12\x34" * 40), r"has \d\d bytes between picture and end marker: harmless, or a damaged"),
    "JFIF-a-bit-away": (JPEG[:11] + b"\0" + JPEG[12:], "cannot be decoded .*JFIF"),
    "scan-header-a-bit-away": (with_scan_header(b"\0\x3e\0"), "cannot be decoded .*SOS"),
    "png-16-bit": (encode("PNG", mode="I;16"), "has 16 bits a channel"),
    "two-exif-blocks": (JPEG[:20] + exif_segment(1) + exif_segment(6) + JPEG[20:], "holds two EXIF blocks"),
}
BOMBS = {
    "png": (png_bomb(), "claims 20000x20000 pixels"),
    "baseline": (claiming(65500, progressive=False), "claims 65500x65500 pixels"),
    "progressive": (claiming(65500, progressive=True), "claims 65500x65500 pixels"),
}


ODD = {
    "scan-header-of-zeros": with_scan_header(bytes(3)),
    "JFIF-2.01": JPEG[:11] + b"\2" + JPEG[12:],
    "JFIF-210": JPEG[:11] + b"\xd2" + JPEG[12:],
    "multi-picture": mpo(),
    "multi-picture-padded": padded(JPEG, bytes(40)) + mpo(),
    "restart-markers-padded": padded(encode(restart_marker_blocks=3), bytes(9)),
    "progressive-padded": padded(encode(progressive=True), bytes(500)),
    "padded-and-trailing": padded(JPEG, bytes(7)) + b"trailer",
    "all-at-once": padded(JPEG[:11] + b"\2" + with_scan_header(bytes(3))[12:], bytes(70), b"\xff" * 3),
} | {
    f"padding-{name}-{number}": padded(JPEG, byte * number)
    for name, byte in (("00", b"\0"), ("FF", b"\xff"))
    for number in (1, 2, 3, 4, 5, 228, 5000)
}
"""What all decoders pass over."""
TAKEN = (
    ODD
    | {
        "baseline": JPEG,
        "grey": encode(mode="L"),
        "progressive": encode(progressive=True),
        "progressive-grey": encode(mode="L", progressive=True),
        "restart-markers": encode(restart_marker_blocks=3),
        "progressive-restart": encode(restart_marker_rows=1, progressive=True),
        "trailing-bytes": JPEG + encode(size=(40, 30)),
        "turned-progressive": encode(orientation=6, progressive=True),
        "turned-grey": encode(orientation=8, mode="L"),
        "png": encode("PNG"),
        "png-grey": encode("PNG", mode="L"),
        "png-palette": encode("PNG", mode="P"),
        "png-rgba": encode("PNG", mode="RGBA"),
    }
    | {f"png-orientation-{number}": encode("PNG", orientation=number) for number in range(1, 9)}
    | {f"orientation-{number}": encode(orientation=number) for number in range(10)}
    | {f"subsampling-{name}": subsampled(name) for name in ("444", "422", "420", "440", "411")}
    | {
        f"{width}x{height}": encode(size=(width, height), quality=95)
        for width, height in ((1, 1), (1, 500), (500, 1), (3000, 20), (7, 9), (33, 47), (640, 480))
    }
)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A folder with nothing wrong, to be damaged in copies."""
    return write_celeba(tmp_path_factory.mktemp("good") / "celeba", num_images=12)


@pytest.mark.parametrize(
    ("data", "reason"),
    (BROKEN | OTHER_KINDS | {f"bomb-{name}": case for name, case in BOMBS.items()}).values(),
    ids=[f"F-21-{name}" for name in BROKEN] + [f"F-22-{name}" for name in OTHER_KINDS] + [f"F-23-{name}" for name in BOMBS],
)
def test_is_refused_by_name_when_packing(good, tmp_path, data, reason):
    source = shutil.copytree(good, tmp_path / "celeba")
    (source / "img_align_celeba" / "000005.jpg").write_bytes(data)
    with pytest.raises(DataError, match=rf"000005\.jpg: {reason}.*; "):
        pack(source, tmp_path / "out", shards=1)
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> tuple[ShardDataset, dict[str, bytes]]:
    """Every kind that is taken, once in the training split and once in the validation split, and the file of each key."""
    files = list(TAKEN.values()) * 2
    source = write_celeba(tmp_path_factory.mktemp("kinds") / "celeba", num_images=len(files) + 2)
    by_key = {f"{number:06d}": data for number, data in enumerate(files, start=1)}
    for key, data in by_key.items():
        (source / "img_align_celeba" / f"{key}.jpg").write_bytes(data)
    codes = [0] * len(TAKEN) + [1] * len(TAKEN) + [2] * 2
    (source / "list_eval_partition.txt").write_text("".join(f"{i:06d}.jpg {code}\n" for i, code in enumerate(codes, start=1)))
    return ShardDataset(pack(source, source.parent / "shards")), by_key


@pytest.fixture(scope="module")
def seen(packed) -> dict[str, dict[bytes, np.ndarray]]:
    """What the loader gives for each file, in grey levels: by split, as training and evaluation read them."""
    dataset, by_key = packed
    return {split: {by_key[key]: pixels for key, pixels in read_split(dataset, split).items()} for split in ("train", "val")}


def read_split(dataset: ShardDataset, split: str) -> dict[str, np.ndarray]:
    pixels = {}
    with open_loader(dataset.folder, split, image_size=IMAGE_SIZE) as stream:
        for _ in range(stream.order.steps_per_epoch):
            batch = next(stream)
            for sample_id, image in zip(batch.ids.tolist(), batch.images, strict=True):
                pixels[dataset.key(sample_id)] = image.permute(1, 2, 0).numpy() * STD + MEAN
    return pixels


def upright(data: bytes) -> Image.Image:
    """Decode with Pillow, turn by the tag and make three channels: the way that owes nothing to ours."""
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("data", TAKEN.values(), ids=[f"F-22-{name}" for name in TAKEN])
def test_is_the_same_upright_picture_in_training_and_evaluation(seen, data, split):
    wanted = np.asarray(upright(data).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR), np.float32)
    # Decoders and filters differ by rounding; a picture that is laid down wrongly differs by 30 and more.
    assert np.abs(seen[split][data] - wanted).mean() < 0.5
    assert np.array_equal(seen["train"][data], seen["val"][data])


@pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities:DeprecationWarning")
@pytest.mark.parametrize("name", ODD)
def test_odd_jpegs_decode_like_usual_ones(name):
    # DALI, torchvision and Pillow use libjpeg-turbo each of its own; what is odd must not change one grey level in any.
    usual = encode(progressive=True) if name.startswith("progressive") else encode(restart_marker_blocks=3) if "restart" in name else JPEG
    for decode in (by_pillow, by_torchvision, by_dali):
        assert np.array_equal(decode(ODD[name]), decode(usual)), decode.__name__


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def by_torchvision(data: bytes) -> np.ndarray:
    return decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB).permute(1, 2, 0).numpy()


def by_dali(data: bytes) -> np.ndarray:
    @pipeline_def(batch_size=1, num_threads=1, device_id=None)
    def decode():
        return fn.decoders.image(fn.external_source(source=lambda _: [np.frombuffer(data, np.uint8)], batch=True))

    (images,) = decode().run()
    return np.asarray(images[0])


def test_f22_the_pictures_would_tell_a_wrong_orientation(seen):
    upright_pixels = seen["val"][JPEG]
    for turned in (np.rot90(upright_pixels, turns) for turns in (1, 2, 3)):
        assert np.abs(turned - upright_pixels).mean() > 30
        assert np.abs(turned[:, ::-1] - upright_pixels).mean() > 30
    assert np.abs(upright_pixels[:, ::-1] - upright_pixels).mean() > 30


def test_f22_grey_has_three_equal_channels(seen):
    grey = seen["train"][TAKEN["grey"]]
    assert np.abs(grey - grey.mean(-1, keepdims=True)).max() < 0.01


def test_f22_the_index_holds_the_upright_size(packed):
    dataset, by_key = packed
    sizes = {dataset.key(row): (int(dataset.index[row]["width"]), int(dataset.index[row]["height"])) for row in range(len(dataset))}
    assert {key: sizes[key] for key in by_key} == {key: upright(data).size for key, data in by_key.items()}


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize(("data", "reason"), BOMBS.values(), ids=[f"F-23-{name}" for name in BOMBS])
def test_bombs_are_refused_from_the_header_alone(data, reason, decode):
    # Python's own memory, and the process's peak for what libraries take beside it.
    tracemalloc.start()
    before = reset_peak_bytes()
    start = time.perf_counter()
    try:
        with pytest.raises(BadImageError, match=reason):
            check_image(data, decode=decode)
        seconds = time.perf_counter() - start
        traced = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert traced < 4 * 2**20
    assert peak_bytes() - before < 4 * 2**20
    # It takes a tenth of a millisecond; decoding the progressive one takes a minute and 12 GB.
    assert seconds < 1


def reset_peak_bytes() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
