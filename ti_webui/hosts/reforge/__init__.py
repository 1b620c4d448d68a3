"""reForge as a host."""
