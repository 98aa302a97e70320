"""VGG trunk, task heads and their loss."""
