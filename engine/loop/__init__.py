"""The training loop: step, epoch, evaluation, checkpoint."""
