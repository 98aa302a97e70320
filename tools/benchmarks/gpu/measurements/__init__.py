"""The measurements of `tools/benchmark gpu`, one module each: `measure(work)` yields figures as they are known."""
