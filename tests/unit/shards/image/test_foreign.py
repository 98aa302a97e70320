"""What is no image is called what it is, with what to do."""

import pytest

from shards.image.check import check_image, read_header
from shards.image.header import BadImageError
from tests.unit.shards.image.test_jpeg import encode

NEITHER = "is neither JPEG nor PNG but"
FOREIGN = {
    "empty": (b"", "is empty; replace the file"),
    "gif": (encode("GIF", "P"), f"{NEITHER} a GIF image; convert it .*mogrify"),
    "bmp": (encode("BMP"), f"{NEITHER} a BMP image; convert it .*mogrify"),
    "webp": (encode("WEBP"), f"{NEITHER} a WebP image; convert it .*mogrify"),
    "tiff": (encode("TIFF"), f"{NEITHER} a TIFF image; convert it .*mogrify"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0", f"{NEITHER} a HEIC image; convert it .*heif-convert"),
    "avif": (b"\0\0\0\x20ftypavif\0\0\0\0", f"{NEITHER} an AVIF image; convert it .*avifdec"),
    "jpeg-2000": (b"\0\0\0\x0cjP  \r\n\x87\n", f"{NEITHER} a JPEG 2000 image; convert it .*opj_decompress"),
    "jpeg-2000-stream": (b"\xff\x4f\xff\x51", f"{NEITHER} a JPEG 2000 image; convert"),
    "jpeg-xl": (b"\0\0\0\x0cJXL \r\n\x87\n", f"{NEITHER} a JPEG XL image; convert it .*djxl"),
    "jpeg-xl-stream": (b"\xff\x0a\0\0", f"{NEITHER} a JPEG XL image; convert"),
    "video": (b"\0\0\0\x18ftypisom\0\0\0\0", f"{NEITHER} a video; save its pictures"),
    "pdf": (b"%PDF-1.7", f"{NEITHER} a PDF document; save its pictures"),
    "zip": (b"PK\3\4\x14\0", f"{NEITHER} a ZIP archive; unpack it"),
    "gzip": (b"\x1f\x8b\x08\0", f"{NEITHER} a gzip-compressed file; unpack it"),
    "numpy": (b"\x93NUMPY\1\0", f"{NEITHER} a NumPy array; save its pictures"),
    "git-lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:abab\nsize 4096\n",
        f"{NEITHER} a Git LFS pointer.*; run git lfs pull",
    ),
    "html": (b"\n <!DOCTYPE html><title>Quota exceeded</title>", f"{NEITHER} an HTML page .*; download it again"),
    "xml": (
        b"<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code></Error>",
        r'is text \("<\?xml .*"\), not an image; download',
    ),
    "json": (b'{"message":\r\n "Not Found"}', "is text .*Not Found.*, not an image; download the image again"),
    "utf-8": ("Zugriff verweigert: fällig".encode() * 40, "is text .'Zugriff verweigert: fällig"),
    "utf-8-cut": (("x" + "ü" * 600).encode(), "is text"),
    "zeros": (bytes(5000), "holds zeros and no image; download the image again"),
    "latin-1": ("\xe4\xf6\xfc".encode("latin-1"), "is neither JPEG nor PNG .it begins with e4 f6 fc.; replace"),
    "unknown": (b"\x12\x34\xab\xcd\xef", r"is neither JPEG nor PNG \(it begins with 12 34 ab cd\); replace"),
    "bm-is-no-bmp": (b"BM\x12\x34\xab\xcd\xef\1\1\1\1", r"is neither JPEG nor PNG \(it begins with 42 4d 12 34\)"),
    "one-byte": (b"\xff", r"is neither JPEG nor PNG \(it begins with ff\)"),
    "escapes": (b"\x1b[31mhello", r"is neither JPEG nor PNG \(it begins with 1b 5b 33 31\)"),
}


@pytest.mark.parametrize("check", [lambda data: check_image(data, decode=True), read_header], ids=["check", "header"])
@pytest.mark.parametrize(("data", "reason"), FOREIGN.values(), ids=FOREIGN)
def test_is_called_what_it_is(data, reason, check):
    with pytest.raises(BadImageError, match=f"^{reason}") as caught:
        check(data)
    assert str(caught.value).isprintable()
