"""The hosts that come with the core."""
