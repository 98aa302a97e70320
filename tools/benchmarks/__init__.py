"""What `tools/benchmark` measures: claims about speed and memory that anyone can check on their own machine."""
