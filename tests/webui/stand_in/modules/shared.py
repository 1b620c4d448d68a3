"""Settings and flags."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar


class OptionInfo:
    """A setting on the Settings page."""

    def __init__(
        self, default: Any, label: str, component: Any, arguments: Any, section: Any
    ) -> None:
        self.default, self.label, self.component = default, label, component
        self.component_args, self.section, self.comment = arguments, section, ""

    def info(self, text: str) -> OptionInfo:
        """The explanation behind it."""
        self.comment = text
        return self


class Options:
    """`opts.x` reads `opts.data["x"]`, or the default."""

    defaults: ClassVar[dict[str, Any]] = {
        "CLIP_stop_at_last_layers": 1,
        "emphasis": "Original",
        "sdxl_clip_l_skip": False,
        "sd_noise_schedule": "Default",
    }

    def __init__(self) -> None:
        self.data_labels: dict[str, OptionInfo] = {}
        self.data: dict[str, Any] = {"CLIP_stop_at_last_layers": 1, "sd_lora": "somebody's"}

    def add_option(self, key: str, info: OptionInfo) -> None:
        """One more setting."""
        self.data_labels[key] = info
        self.data.setdefault(key, info.default)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__["data"]:
            return self.__dict__["data"][name]
        if name in self.defaults:
            return self.defaults[name]
        raise AttributeError(name)


class State:
    """What the pages' bar and `/sdapi/v1/progress` are made of."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended = 0
        self.textinfo: str | None = None
        self.current_image: Any = None
        self.job, self.job_no, self.job_count = "", 0, 0
        self.sampling_step = self.sampling_steps = 0
        self.interrupted = False

    def begin(self, job: str = "(unknown)") -> None:
        """A job has the model."""
        self.begun.append(job)
        self.job, self.job_no, self.job_count = job, 0, -1
        self.textinfo, self.current_image, self.interrupted = None, None, False

    def end(self) -> None:
        """And has it no longer."""
        self.ended += 1
        self.job, self.job_count = "", 0

    def assign_current_image(self, image: Any) -> None:
        """The live preview."""
        self.current_image = image


opts = Options()
state = State()
cmd_opts = SimpleNamespace(
    embeddings_dir="embeddings",
    hypernetwork_dir="hypernetworks",
    api=True,
    api_auth=None,
    ui_config_file="ui-config.json",
)
loaded_hypernetworks: list[Any] = []
hypernetworks: dict[str, str] = {}


def reload_hypernetworks() -> None:
    """Name → path of every `.pt` in the folder and below."""
    hypernetworks.clear()
    for path in sorted(Path(cmd_opts.hypernetwork_dir).rglob("*.pt")):
        hypernetworks[path.stem] = str(path)
