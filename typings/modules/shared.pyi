from PIL.Image import Image

from .options import OptionInfo as OptionInfo
from .options import Options

class _CmdOpts:
    """argparse's; what only some web UIs have is left out."""

    embeddings_dir: str
    hypernetwork_dir: str
    ui_config_file: str
    api: bool
    api_auth: str | None

class State:
    interrupted: bool
    job: str
    job_no: int
    job_count: int
    sampling_step: int
    sampling_steps: int
    textinfo: str | None
    current_image: Image | None

    def begin(self, job: str = ...) -> None: ...
    def end(self) -> None: ...
    def assign_current_image(self, image: Image) -> None: ...

cmd_opts: _CmdOpts
state: State
opts: Options
loaded_hypernetworks: list[object]
"""Forge has none."""

def reload_hypernetworks() -> None: ...
