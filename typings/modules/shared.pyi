from .options import OptionInfo as OptionInfo
from .options import Options

class _CmdOpts:
    """argparse's; what only some web UIs have is left out."""

    embeddings_dir: str
    hypernetwork_dir: str
    api: bool
    api_auth: str | None

cmd_opts: _CmdOpts
opts: Options
loaded_hypernetworks: list[object]
"""Forge has none."""

def reload_hypernetworks() -> None: ...
