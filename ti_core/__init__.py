"""Textual inversion for any host: create, train, preview, resume, and every file around it."""

__version__ = "0.2.0"
