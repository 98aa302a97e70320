"""The shard format: annotations and images in; tars, index and manifest out. Knows neither torch nor DALI."""
