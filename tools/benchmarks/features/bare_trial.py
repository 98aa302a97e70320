"""The loop that anyone would write over the same head: `python -m tools.benchmarks.features.bare_trial SAMPLES WIDTH TASKS EPOCHS`."""

import json
import sys
import time

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

BATCH, HIDDEN = 128, 64


def main() -> None:
    """Train on random features and print the seconds, and the median epoch's samples per second, as JSON."""
    num_samples, width, num_tasks, epochs = map(int, sys.argv[1:])
    torch.manual_seed(0)
    features, labels = torch.randn(num_samples, width), (torch.rand(num_samples, num_tasks) < 0.3).float()
    shared = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU())
    heads = nn.ModuleList(nn.Linear(HIDDEN, 1) for _ in range(num_tasks))
    optimizer = torch.optim.Adam([*shared.parameters(), *heads.parameters()], fused=True)
    steps, seconds = num_samples // BATCH, []
    for _ in range(epochs):
        started, order = time.perf_counter(), torch.randperm(num_samples)
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            hidden = shared(features[rows])
            loss = binary_cross_entropy_with_logits(torch.cat([head(hidden) for head in heads], 1), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"seconds": sum(seconds), "samples_per_second": steps * BATCH / sorted(seconds)[len(seconds) // 2]}))


if __name__ == "__main__":
    main()
