"""`tools/make_shards`."""
