"""F-31: paths that would run a command if they were given to a shell or to webdataset, and a server that answers with pickles."""

import http.server
import pickle
import shutil
import threading
from pathlib import Path

import pytest

from engine.command_line import parse
from engine.compare.arguments import take_apart
from engine.report.command import ReportOptions, report
from shards.check.command import CheckOptions, check_shards
from shards.errors import ConfigurationError, DataError, DropstreamError
from tests.conftest import pack
from tests.faults.canary import train

pytestmark = pytest.mark.usefixtures("training", "canary")

COMMANDS = [
    "pipe:touch canary",
    "pipe:touch canary |",
    "|touch canary",
    "touch canary|",
    "$(touch canary)",
    "`touch canary`",
    "; touch canary;",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_f31_a_path_is_a_path(celeba, shards, tmp_path, command):
    for options in ({"images": command}, {"attributes": (command,)}, {"partition": (command,)}):
        with pytest.raises(DropstreamError) as caught:
            pack(celeba, tmp_path / "out", **options)
        assert "touch canary" in str(caught.value)
    with pytest.raises(DropstreamError):
        check_shards(CheckOptions(folder=command))
    for options in ({"data__shards": command}, {"model__weights": command}, {"scheduler__name": command}):
        with pytest.raises(DropstreamError) as caught:
            train(shards, tmp_path / "run", **options)
        assert "touch canary" in str(caught.value)
    for words in (["--config", command], ["--config", f"{command}.yaml"]):
        with pytest.raises(ConfigurationError):
            parse(words)
        with pytest.raises(ConfigurationError):
            take_apart([*words, "--out", "x", "--data.shards", "y"])
    with pytest.raises(DropstreamError):
        report(ReportOptions(folder=Path(command)))


@pytest.mark.parametrize("command", COMMANDS[:2])
def test_f31_shards_of_such_names(copy, tmp_path, command):
    """A manifest that was edited, with its checksum made anew: webdataset would run it."""
    text = (copy / "manifest.json").read_text().replace("train-000001.tar", command)
    (copy / "manifest.json").write_text(text)
    for again in range(2):
        with pytest.raises(DataError, match=r"manifest\.json"):
            check_shards(CheckOptions(folder=str(copy)))
        with pytest.raises(DataError, match=r"manifest\.json"):
            train(copy, tmp_path / "run")
        if not again:
            shutil.copy(copy / "train-000001.tar", copy / command)
            shutil.copy(copy / "train-000001.idx", (copy / command).with_suffix(".idx"))


@pytest.fixture
def server(evil):
    """A web server on this machine that answers everything with a pickle, and what it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            data = pickle.dumps(evil)
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_HEAD = do_GET  # noqa: N815 (the name that the server looks for)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}", asked
        found.shutdown()


def test_f31_http(celeba, shards, tmp_path, server):
    url, asked = server
    for options in (
        {"model__weights": f"{url}/weights.pth"},
        {"data__shards": f"{url}/s"},
        {"data__shards": f"{url}/s", "data__cache": "c"},
    ):
        with pytest.raises(DropstreamError, match=url):
            train(shards, tmp_path / "run", **options)
    for options in ({"images": f"{url}/images"}, {"attributes": (f"{url}/labels.csv",)}, {"partition": (f"{url}/list.txt",)}):
        with pytest.raises(DropstreamError, match=url):
            pack(celeba, tmp_path / "out", **options)
    with pytest.raises(DropstreamError, match=url):
        check_shards(CheckOptions(folder=url))
    # What was asked for by name, and nothing else: weights come from a file of this machine.
    assert asked == ["/s/manifest.json", "/images", "/labels.csv", "/list.txt"]
