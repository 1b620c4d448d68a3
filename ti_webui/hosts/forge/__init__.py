"""Forge as a host."""
