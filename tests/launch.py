"""Training as users start it: other processes, the real launcher, real signals.

`start` runs a fresh interpreter, which spends six seconds on imports. A process that a `Nursery` starts is forked from one that has
imported everything already; else it is the same program: arguments, environment, streams, signals, exit code.
"""

import atexit
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LAUNCH = ["accelerate", "launch", "--quiet"]
ONE = [*LAUNCH, "--num_processes", "1", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
TWO = [*LAUNCH, "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
PLAIN = [sys.executable]
_PR_SET_PDEATHSIG = 1
TRAIN = "import engine.train; engine.train.main()"


def environment() -> dict[str, str]:
    """One thread per process, so that the machine's cores do not matter; no variable of a launcher around us."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ACCELERATE_", "COVERAGE"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "PATH": path, "MASTER_PORT": "0"}


def start(launcher: list[str], arguments: list[str], **variables: str) -> subprocess.Popen[str]:
    # `python -c PROGRAM` takes the place of the script.
    script = [] if "-c" in launcher else [str(ROOT / "engine" / "train.py")]
    command, pipe = [*launcher, *script, *arguments], subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment() | variables, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def finish(process: subprocess.Popen[str], timeout: float = 240) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def wait_for(process: "subprocess.Popen[str] | Child", path: Path, text: str) -> None:
    """Wait until a file holds a text; fail if the process ends before."""
    deadline = time.monotonic() + 120
    while not (path.exists() and text in path.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def stands_still(pid: int) -> bool:
    """Whether SIGSTOP holds a process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


class Child:
    """A process of a nursery, with the few methods of `Popen` that tests need."""

    def __init__(self, nursery: "Nursery", pid: int, folder: Path) -> None:
        self.pid = pid
        self._nursery = nursery
        self._folder = folder
        self._end = os.pidfd_open(pid)
        self._code: int | None = None

    def poll(self, timeout: float = 0) -> int | None:
        """Exit code, or minus the signal's number; None while it runs."""
        # A pidfd is readable when its process has ended.
        if self._code is None and select.select([self._end], [], [], timeout)[0]:
            os.close(self._end)
            self._code = self._nursery.ask({"wait": self.pid})
        return self._code

    def communicate(self) -> tuple[str, str]:
        return (self._folder / "out").read_text(), (self._folder / "err").read_text()

    def finish(self, timeout: float = 60) -> tuple[int, str, str]:
        code = self.poll(timeout)
        assert code is not None, ("it does not end", *self.communicate())
        return code, *self.communicate()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


class Nursery:
    """A process that has imported the program and forks others from itself; they end with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []
        command = [sys.executable, "-c", "from tests.launch import serve; serve()"]
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self, arguments: list[str], program: str = TRAIN, **variables: str) -> Child:
        """Run a Python program with these arguments, as `python program.py …` would."""
        folder = self._folder / str(len(self._children))
        folder.mkdir()
        for name in ("out", "err"):
            (folder / name).touch()
        request = {"program": program, "arguments": arguments, "environment": environment() | variables, "folder": str(folder)}
        self._children.append(Child(self, self.ask(request), folder))
        return self._children[-1]

    def start_two(self, arguments: list[str], program: str = TRAIN, **variables: str) -> list[Child]:
        """Run it as two ranks, with what a launcher tells them."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
        both = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        return [self.start(arguments, program, RANK=rank, LOCAL_RANK=rank, **both, **variables) for rank in "01"]

    def ask(self, request: dict[str, Any]) -> int:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
        self._process.communicate()


def light_vgg11(**_) -> Any:
    """VGG11 without values in its classifier: drawing them takes most of a small run's time, and no tap before it reads them."""
    import torch
    from torchvision.models import vgg

    with torch.device("meta"):
        built = vgg.VGG(torch.nn.Identity(), init_weights=False)
    built.features = vgg.make_layers(vgg.cfgs["A"])
    return built


def lighten() -> None:
    """Let this process train on a light VGG11."""
    import torchvision

    torchvision.models.vgg11 = light_vgg11


def serve() -> None:
    """What a nursery runs: fork at each line of standard input, or wait for a child."""
    # So that no child has to.
    import engine.report.html
    import engine.run.run
    import engine.train  # noqa: F401

    lighten()

    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                _become(request)
                return
        print(answer, flush=True)


def _become(request: dict[str, Any]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    for descriptor, name in ((0, os.devnull), (1, "out"), (2, "err")):
        # An absolute name stays what it is.
        opened = os.open(Path(request["folder"]) / name, os.O_RDWR | os.O_CREAT, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["train.py", *request["arguments"]]
    code = 1
    try:
        exec(request["program"], {"__name__": "__main__"})  # noqa: S102 (a test's own)
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 (as the interpreter does at its end)
        traceback.print_exc()
    # What an interpreter does at its end, but for taking every module apart: that takes seconds after a fork.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)
