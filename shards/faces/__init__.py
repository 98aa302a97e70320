"""Faces drawn from attributes, for trying everything out without CelebA."""
