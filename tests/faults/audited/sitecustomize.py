"""Writes down what a process does to files outside of itself, to the network and to other processes: a line of JSON each.

Python imports it at the start of every process that has its folder in PYTHONPATH, workers among them.
"""

import json
import os
import sys
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Position of the paths among an event's arguments, and of the folder descriptors that they are relative to.
_CHANGES = {
    "os.mkdir": ((0, 2),),
    "os.rename": ((0, 2), (1, 3)),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.utime": ((0, 3),),
    "os.setxattr": ((0, None),),
}
_NETWORK = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request")
_PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn")


def _path(path: object, folder: object) -> str:
    if isinstance(path, int):
        return str(Path(f"/proc/self/fd/{path}").readlink())
    base = Path(f"/proc/self/fd/{folder}").readlink() if isinstance(folder, int) and folder >= 0 else Path.cwd()
    return os.path.normpath(base / os.fsdecode(path))


def _seen(event: str, arguments: tuple) -> list[tuple[str, str]]:
    if event == "open":
        path, mode, flags = arguments
        # Some give a mode, some flags.
        writes = flags & _WRITES if isinstance(flags, int) else set(mode or "") & set("wax+")
        return [("write", _path(path, -1))] if writes and not isinstance(path, int) else []
    if event in _CHANGES:
        return [("write", _path(arguments[at], -1 if folder is None else arguments[folder])) for at, folder in _CHANGES[event]]
    if event in _NETWORK:
        return [("network", f"{event} {arguments[1:] if event.startswith('socket.') and event[7:11] in ('conn', 'send') else arguments}")]
    if event in _PROCESSES:
        return [("process", f"{event} {arguments[:2]}")]
    return []


def _watch(log: int) -> None:
    def hook(event: str, arguments: tuple) -> None:
        for kind, what in _seen(event, arguments):
            os.write(log, (json.dumps([kind, what, os.getpid()]) + "\n").encode())

    sys.addaudithook(hook)


# Whoever merely reads this file is not watched.
if "AUDIT_LOG" in os.environ:
    _watch(os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644))
