"""Where shards are packed: on this machine's cores or on a Ray cluster. A runner decides nothing about what is written."""
