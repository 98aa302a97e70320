"""The executables beside this file: each a few lines over a function of shards or engine."""
