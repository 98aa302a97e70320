"""Images: which ones may be packed, and why the others may not."""
