"""What the user sees of a run: terminal, log lines, `summary.json`, `report.html`."""

import logging

# Where its folder under HOME cannot be written, it says so at its import, before any word of ours; it draws all the same.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
