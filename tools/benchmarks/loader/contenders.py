"""Who loads in `tools/benchmark loader`."""

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Literal

Name = Literal["dropstream", "channels-last", "dali", "torch", "webdataset", "litdata", "spdl"]

_STREAMS = "tools.benchmarks.loader.streams"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """A loader, or a part of one that is measured alone."""

    name: str
    """As on the command line and in the file of figures."""
    title: str
    """As in the table."""
    stream: str
    """MODULE:FUNCTION below `streams` that makes its batches."""
    package: str | None = None
    """Package of the extra `bench` that it needs."""
    works_in: Literal["threads", "processes"] = "processes"
    """What it has as many of as every other contender."""

    @property
    def function(self) -> str:
        """The function with its full module name, as its process is told."""
        return f"{_STREAMS}.{self.stream}"


CONTENDERS = (
    Contender(name="dropstream", title="dropstream", stream="dropstream:open_contiguous", works_in="threads"),
    Contender(name="channels-last", title="dropstream, channels-last", stream="dropstream:open_channels_last", works_in="threads"),
    Contender(name="dali", title="DALI's webdataset reader", stream="dali:open_stream", works_in="threads"),
    Contender(name="torch", title="torch DataLoader + PIL", stream="torch_pil:open_stream"),
    Contender(name="webdataset", title="webdataset + PIL", stream="webdataset_pil:open_stream"),
    Contender(name="litdata", title="litdata", stream="litdata_jpeg:open_stream", package="litdata"),
    Contender(name="spdl", title="spdl", stream="spdl_ffmpeg:open_stream", package="spdl", works_in="threads"),
)
"""In the order of their turns."""

DECODING = Contender(name="libjpeg-turbo", title="libjpeg-turbo alone", stream="libjpeg:open_stream", works_in="threads")
READING = Contender(name="order-source-crc", title="order, source and checksums alone", stream="dropstream:open_bytes", works_in="threads")


def why_absent(contender: Contender) -> str | None:
    """Return what a contender lacks and how to get it, or None if it can run."""
    if contender.package is None:
        return None
    if importlib.util.find_spec(contender.package) is None:
        return "pip install 'dropstream[bench]'"
    if contender.package == "spdl":
        try:
            # The first use of FFmpeg, whose libraries do not come with the package.
            importlib.import_module("spdl.io").demux_config()
        except (ImportError, RuntimeError):
            return "spdl finds no FFmpeg: install its shared libraries, version 4 or later"
    return None
