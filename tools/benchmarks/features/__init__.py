"""`tools/benchmark features`: training with and without features that are computed once."""
