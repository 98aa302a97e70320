"""Loader, model, scheduler, training loop and report."""
