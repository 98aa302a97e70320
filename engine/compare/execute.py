"""The runs of a comparison, in this process."""

from accelerate.state import AcceleratorState

from engine.assembly import Shared
from engine.config import Config
from engine.run import run


class Executor:
    """Trains one configuration after another; frozen trunks and features are built once for all of them."""

    def __init__(self) -> None:
        self._shared = Shared()

    def execute(self, config: Config) -> None:
        """Train as configured.

        Raises:
            DropstreamError: Whatever the user can mend; see `shards.errors`.
        """
        # Accelerate keeps the precision of a process's first run, and refuses another one.
        AcceleratorState._reset_state()  # noqa: SLF001 (there is no other way)
        run(config, self._shared)
