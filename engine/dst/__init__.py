"""Task schedulers: which task is trained in which step."""
