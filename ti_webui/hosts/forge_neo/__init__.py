"""Forge Neo as a host."""
