"""The runs of a comparison, in this process."""

from accelerate.state import AcceleratorState

from engine.config import Config
from engine.run.construction import Shared
from engine.run.run import run
from shards.errors import Interrupted


class Executor:
    """Trains one configuration after another; frozen trunks and features are built once for all of them."""

    def __init__(self) -> None:
        self._shared = Shared()

    def execute(self, config: Config) -> None:
        """Train as configured.

        Raises:
            Interrupted: A signal came, though it may have come when the run was finished.
            DropstreamError: Whatever the user can mend; see `shards.errors`.
        """
        # Accelerate keeps the precision of a process's first run, and refuses another one.
        AcceleratorState._reset_state()  # noqa: SLF001 (there is no other way)
        if run(config, self._shared):
            raise Interrupted("a signal came at the end of the run")
