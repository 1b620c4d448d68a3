"""Names of embeddings: file stem and trigger in one."""

from __future__ import annotations

import re

from ..errors import ConfigError, setting

_ALLOWED = re.compile(r"[^A-Za-z0-9._\- ]+")
"""A1111 drops every other character (`create_embedding`)."""


def checked_name(name: str) -> str:
    """The name itself, if it can be a file stem and a trigger everywhere.

    Raises ConfigError for an empty name, one with path parts, one with characters that A1111
    would drop, and names that loaders treat specially. Nothing is changed silently.
    """
    if not name.strip():
        raise ConfigError("the embedding has no name", "", f"give {setting('token_string')}")
    if re.search(r"[/\\]", name) or name.strip(".") == "":
        raise ConfigError(
            f"the name {name!r} has path parts", "", "give a plain name, and a folder separately"
        )
    clean = _ALLOWED.sub("", name).strip()
    if clean != name or name.startswith("."):
        proposal = clean.lstrip(".") or "mycat"
        raise ConfigError(
            f"the name {name!r} has characters that web UIs drop",
            "",
            f"use letters, digits, '.', '_', '-' and spaces, such as {proposal!r}",
        )
    if name.endswith(".") or is_device(name):
        raise ConfigError(f"the name {name!r} is no file name on Windows", "", "choose another")
    if ".preview" in name.lower():
        raise ConfigError(f"the name {name!r} would be taken for a preview picture")
    if len(name) > 100:
        raise ConfigError(f"the name has {len(name)} characters", "", "use 100 at the most")
    return name


def is_device(name: str) -> bool:
    """Whether Windows takes a file's name for a device, whatever folder it is in."""
    device = r"(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³]) *([.:].*)?"
    return bool(re.fullmatch(device, name, re.IGNORECASE | re.DOTALL))
