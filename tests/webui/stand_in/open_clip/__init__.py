"""A stand-in for open_clip."""
