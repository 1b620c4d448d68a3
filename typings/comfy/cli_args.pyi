class _Args:
    listen: str
    """Addresses with commas between them."""
    enable_cors_header: str | None
    """An origin, or "*"."""

args: _Args
