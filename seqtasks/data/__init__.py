"""Users' files: read, checked, cut in splits, batched."""
