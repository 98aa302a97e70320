"""A real S3 server on the loopback interface, reached by plain `s3://` URLs in this process and in every one it starts."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

BUCKET = "dropstream"
_START_SECONDS = 60
# It ends when the pipe to its standard input does: whatever becomes of the tests, the server does not outlive them.
_SERVER = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
from moto.server import main
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""


@dataclass
class S3Server:
    """The server and what it was asked."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def requests(self, method: str = "", path: str = "") -> list[str]:
        """What was asked for so far: `GET /dropstream/set/manifest.json`, for example."""
        lines = [line.split('"')[1] for line in self.log.read_text(errors="replace").splitlines() if line.startswith("127.0.0.1 ")]
        words = [line[line.find(next(verb for verb in ("GET", "PUT", "HEAD", "POST", "DELETE") if verb in line)) :] for line in lines]
        return [word.partition(" HTTP")[0] for word in words if word.startswith(method) and path in word]

    def require_known_keys(self, required: bool) -> None:
        """Let the server refuse, or take, access keys that it does not know."""
        _ask(self.port, "POST", "moto-api/reset-auth", b"0" if required else b"inf")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _ask(port: int, method: str, path: str, body: bytes | None = None) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", data=body, headers={"Content-Type": "text/plain"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (the address is the one above)
        answer.read()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + _START_SECONDS
    while True:
        try:
            _ask(port, "GET", "moto-api/data.json")
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > ends:
                raise
            time.sleep(0.05)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The server, with one bucket; the environment variables by which every S3 client finds it are set."""
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    port, log = _free_port(), tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", _SERVER, str(port)], stdin=subprocess.PIPE, stdout=output, stderr=output)
    with pytest.MonkeyPatch.context() as patch, process:
        try:
            _await(port, process)
            patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
            patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
                patch.delenv(name, raising=False)
            _ask(port, "PUT", BUCKET)
            yield S3Server(port, process, log)
        finally:
            process.kill()


@pytest.fixture(scope="session")
def s3(s3_server: S3Server) -> str:  # noqa: ARG001 (it must run)
    """URL of an empty bucket on a server of its own."""
    return f"s3://{BUCKET}"


@pytest.fixture
def s3_folder(s3: str, request: pytest.FixtureRequest) -> str:
    """URL of a folder of this test alone, with a blank and letters beyond ASCII in its name."""
    return f"{s3}/{request.node.name.partition('[')[0]} {os.urandom(4).hex()} ü"
