"""What a run tells of itself: records, their file, their history, and its predictions."""
