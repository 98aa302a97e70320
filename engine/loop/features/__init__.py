"""What a frozen trunk sees of each image, computed once and trained from ever after."""
