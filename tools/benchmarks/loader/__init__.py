"""`tools/benchmark loader`: batches per second beside other loaders, on the same images with as many threads or workers."""
