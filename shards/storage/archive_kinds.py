"""What a file is that was named in place of a folder of images, told by how it begins."""

HEAD_BYTES = 512
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
"""How a ZIP archive begins, and one without files."""

_UNPACK = "unpack it, and name the folder"
_KINDS = (
    (b"7z\xbc\xaf\x27\x1c", 0, f"is a 7z archive (7z x FILE); {_UNPACK}"),
    (b"Rar!\x1a\x07", 0, f"is a RAR archive (unrar x FILE); {_UNPACK}"),
    (b"ustar", 257, f"is a tar archive (tar xf FILE); {_UNPACK}"),
    (b"\x1f\x8b", 0, f"is a gzip-compressed file (tar xzf FILE, or gunzip FILE); {_UNPACK}"),
    (b"BZh", 0, f"is a bzip2-compressed file (tar xjf FILE, or bunzip2 FILE); {_UNPACK}"),
    (b"\xfd7zXZ\0", 0, f"is an xz-compressed file (tar xJf FILE, or unxz FILE); {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", 0, f"is a zstd-compressed file (tar --zstd -xf FILE, or unzstd FILE); {_UNPACK}"),
    (b"PK\x07\x08", 0, f"is a part of a ZIP archive (zip -s 0 FILE.zip --out WHOLE.zip joins its parts); {_UNPACK}, or name WHOLE.zip"),
    (b"version https://git-lfs.github.com/", 0, "is a Git LFS pointer, not the file itself; run git lfs pull"),
)
"""First bytes, where they stand, and what to say."""
_WEB_PAGES = (b"<!doctype html", b"<html")


def not_a_zip(head: bytes) -> str:
    """Return what a file is and what to do with it, nothing if its kind is unknown.

    >>> not_a_zip(b"Rar!" + bytes([0x1A, 7, 1, 0]))
    'is a RAR archive (unrar x FILE); unpack it, and name the folder'
    """
    if not head:
        return "is empty; download or copy it again"
    if head.lstrip().lower().startswith(_WEB_PAGES):
        return "is a web page (a failed download); download it again"
    return next((advice for magic, at, advice in _KINDS if head.startswith(magic, at)), "")
