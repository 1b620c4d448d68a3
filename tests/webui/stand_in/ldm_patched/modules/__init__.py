"""A stand-in for Forge's backend: the names that our host touches."""
