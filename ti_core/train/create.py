"""A new embedding that is not trained yet: words turned into vectors, in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..events import Notice
from ..files.atomic import require_writable
from ..files.embedding import long_for_prompts
from ..files.kept import KEPT
from ..files.names import checked_name
from ..files.replaced import replace_embedding
from ..files.sidecars import write_notes
from ..files.twins import hidden_warning, require_free
from ..port.session import Host
from .config import EmbeddingConfig
from .initialization import starting_rows
from .plan import name_clashes
from .vectors import to_embedding


def create_embedding(
    config: EmbeddingConfig,
    host: Host,
    folder: Path,
    overwrite: bool = False,
    keep_replaced: int = KEPT,
    on_notice: Callable[[Notice], None] = lambda notice: None,
    notes: bool = False,
) -> Path:
    """Write `<folder>/<name>.safetensors` with step 0 and return its path (A1111's "Create").

    With `overwrite` it takes the place of every embedding of that name in the folder, of which
    `keep_replaced` copies are kept; files of the user's own beside it stay, with a notice. `notes`
    are written beside it, for a web UI's cards, as by a training. Raises ConfigError for a bad or
    taken name, StorageError when it cannot be written.
    """
    path = folder / f"{checked_name(config.token_string)}.safetensors"
    if not overwrite:
        require_free(path)
    require_writable(folder)
    if warning := hidden_warning(path):
        on_notice(Notice("warning", warning))
    with host.session() as session:
        facts = host.describe()
        start = starting_rows(config, facts, session)
    for notice in (*name_clashes(config.token_string, host), *start.notices):
        on_notice(notice)
    made = to_embedding(config.token_string, start.rows, 0, facts, config.beginning, config)
    if warning := long_for_prompts(made):
        on_notice(Notice("warning", warning))
    for notice in replace_embedding(path, made, keep_replaced):
        on_notice(notice)
    if notes:
        write_notes(path, made)
    host.embedding_saved(path)
    return path
