"""Settings of other programs, read as ours."""
