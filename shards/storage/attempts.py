"""Asking a server that may not answer: how often, how long, and what a failure is called."""

import time
from collections.abc import Callable
from typing import Any

from shards.errors import DataError

_NUM_TRIES = 3
_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.5

_FINAL = (FileNotFoundError, PermissionError, FileExistsError, IsADirectoryError, NotADirectoryError, NotImplementedError, ValueError)
"""Answers that asking again does not change."""

_NETWORK = "check the network and the endpoint"
_ADVICE = {
    "FileNotFoundError": "check the name",
    "PermissionError": "check the credentials and their rights",
    "NoCredentialsError": "set the credentials, for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "EndpointConnectionError": _NETWORK,
    "ConnectTimeoutError": _NETWORK,
    "ReadTimeoutError": _NETWORK,
    "FSTimeoutError": _NETWORK,
}
"""Name of an exception's class -> what to do."""


class Attempts:
    """The attempts at one thing: three, of which none begins later than ten seconds after the first."""

    def __init__(self, what: str) -> None:
        """The clock starts.

        Args:
            what: Subject and verb of the error message: what cannot be done to which file.
        """
        self._what = what
        self._started = time.monotonic()
        self._num_failed = 0

    def run(self, action: Callable[[], Any]) -> Any:  # noqa: ANN401 (whatever the action returns)
        """Return what the action returns.

        Raises:
            DataError: It failed for good.
        """
        while True:
            try:
                return action()
            except Exception as error:  # noqa: BLE001 (each store has exceptions of its own; they have no common base)
                self.failed(error)

    def failed(self, error: Exception) -> None:
        """Wait a moment if another attempt is worth it.

        Raises:
            DataError: It is not.
        """
        self._num_failed += 1
        late = time.monotonic() - self._started > _PATIENCE_SECONDS
        if isinstance(error, _FINAL) or self._num_failed == _NUM_TRIES or late:
            kind = type(error).__name__
            advice = f"; {_ADVICE[kind]}" if kind in _ADVICE else ""
            raise DataError(f"{self._what} ({f'{kind}: {error}' if str(error) else kind}){advice}") from error
        time.sleep(_PAUSE_SECONDS)
