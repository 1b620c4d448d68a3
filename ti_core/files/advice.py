"""What to do about a file that cannot be used, in the errors of every reader."""

from __future__ import annotations

AGAIN = "copy or download the file again"
UNSAFE = "do not use this file; it may be an attack"
