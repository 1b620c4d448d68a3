"""A new hypernetwork that is not trained yet, in a file (A1111's "Create hypernetwork")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import ConfigError, setting
from ..events import Notice
from ..files.atomic import require_writable, write_bytes
from ..files.kept import KEPT
from ..files.replaced import replacing
from ..hypernetworks.hypernetwork import Hypernetwork
from ..hypernetworks.writing import hypernetwork_bytes
from ..port.session import Host
from .hypernetwork import attention_widths, new_hypernetwork
from .hypernetwork_config import HypernetworkConfig


def create_hypernetwork(
    config: HypernetworkConfig,
    host: Host | None,
    folder: Path,
    seed: int = 0,
    overwrite: bool = False,
    keep_replaced: int = KEPT,
    on_notice: Callable[[Notice], None] = lambda notice: None,
) -> Path:
    """Write `<folder>/<name>.pt` with step 0 and return its path.

    Without a host the settings name the widths. With `overwrite` it takes the place of one of that
    name, of which `keep_replaced` copies are kept. Raises ConfigError for a bad or taken name,
    HypernetworkError for widths that the model does not have, StorageError.
    """
    config.require_name()
    path = folder / f"{config.hypernetwork_name}.pt"
    if path.exists() and not overwrite:
        fix = f"choose another name, or use {setting('overwrite')}"
        raise ConfigError(f"{path} exists already", "", fix)
    require_writable(folder)
    made, notices = untrained(config, host, seed)
    for notice in notices:
        on_notice(notice)
    with replacing(path, keep_replaced):
        write_bytes(path, hypernetwork_bytes(made))
    if host:
        host.hypernetwork_saved(path)
    return path


def untrained(
    config: HypernetworkConfig, host: Host | None, seed: int
) -> tuple[Hypernetwork, list[Notice]]:
    """A new hypernetwork, or that of a file, for the host's model, and what to know about it.

    Without a host the settings name the widths. Raises HypernetworkError for widths that the model
    does not have.
    """
    if host is None:
        return new_hypernetwork(config, seed, None)
    with host.session() as session:
        facts = host.describe()
        there = attention_widths(facts, session)
    made, notices = new_hypernetwork(config, seed, there)
    name, digest = facts.checkpoint_name, facts.checkpoint_hash
    return replace(made, base_model=name, base_hash=digest), notices
