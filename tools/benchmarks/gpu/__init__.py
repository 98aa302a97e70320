"""`tools/benchmark gpu`: the GPU's tests, and ten measurements that tell how well a GPU is used."""
