"""What dropout draws."""

import torch

from engine.chance import torch_seed


def seed_dropout(seed: int, epoch: int, step: int, rank: int) -> None:
    """Let a step's forward pass draw what it draws in every run: dropout repeats itself in a resumed run without any saved state.

    Args:
        seed: The run's seed.
        epoch: Epoch, from 0.
        step: Step inside the epoch, from 0.
        rank: Whose part of the batch is trained.
    """
    torch.manual_seed(torch_seed(seed, "dropout", epoch, step) + rank)
