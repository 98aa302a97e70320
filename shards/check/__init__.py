"""`tools/check_shards`."""
