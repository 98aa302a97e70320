"""Unpacking one file of a ZIP archive in memory, never to more than its declared size.

`zipfile.ZipExtFile` is not used: with bzip2 and LZMA it keeps whatever a chunk inflates to, and 4 KB of bzip2 inflate to gigabytes.
"""

import bz2
import lzma
import struct
import zipfile
import zlib

_LZMA_HEADER = struct.Struct("<2xHBI")
"""Length of the properties, and what they are: a byte of three parameters, and the size of the dictionary."""
_LZMA_PROPERTIES_BYTES = 5
_LZMA_LEAST_DICTIONARY = 4096


class DamagedMemberError(ValueError):
    """A file of an archive that does not unpack to what the archive's directory declares."""


def inflate(method: int, data: memoryview, size: int) -> bytes:
    """Return the file's content.

    Args:
        method: Number of the compression method.
        data: The file as it lies in the archive.
        size: Bytes that it declares to have.

    Raises:
        NotImplementedError: The method is unknown.
        DamagedMemberError: It is damaged, or has another size.
    """
    try:
        content = _inflate(method, data, size)
    except (zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError) as error:
        raise DamagedMemberError(" ".join(str(error).split())) from error
    if len(content) > size:
        raise DamagedMemberError(f"it declares {size} bytes and holds more")
    if len(content) < size:
        raise DamagedMemberError(f"it declares {size} bytes and holds {len(content)}")
    return content


def _inflate(method: int, data: memoryview, size: int) -> bytes:
    # One byte more than declared is enough to tell that there is more.
    most = size + 1
    if method == zipfile.ZIP_STORED:
        return bytes(data[:most])
    if method == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)
    if method == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor().decompress(data, most)
    if method == zipfile.ZIP_LZMA:
        length, parameters, dictionary = _LZMA_HEADER.unpack_from(data)
        if length != _LZMA_PROPERTIES_BYTES:
            raise DamagedMemberError("its LZMA header is damaged")
        # No match lies further back than the file is long: a larger dictionary would be memory that nothing uses.
        dictionary = min(dictionary, max(size, _LZMA_LEAST_DICTIONARY))
        rest, lc = divmod(parameters, 9)
        pb, lp = divmod(rest, 5)
        properties = {"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[properties]).decompress(data[_LZMA_HEADER.size :], most)
    raise NotImplementedError(f"compression method {method}")
