"""Where files lie."""

from __future__ import annotations


def get_folder_paths(kind: str) -> list[str]:
    """All folders of a kind."""
    return [f"models/{kind}"]
