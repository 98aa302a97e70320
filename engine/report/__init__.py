"""What the user sees of a run: terminal, log lines, `summary.json`, `report.html`."""
