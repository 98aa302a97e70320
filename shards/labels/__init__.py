"""Attribute tables and partition files of all kinds, read into arrays."""
