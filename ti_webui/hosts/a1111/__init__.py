"""AUTOMATIC1111 as a host."""
