"""Loader: order -> bytes -> DALI graph -> batch."""
