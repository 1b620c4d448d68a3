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


opts = Options()
cmd_opts = SimpleNamespace(
    embeddings_dir="embeddings", hypernetwork_dir="hypernetworks", api=True, api_auth=None
)
loaded_hypernetworks: list[Any] = []
hypernetworks: dict[str, str] = {}


def reload_hypernetworks() -> None:
    """Name → path of every `.pt` in the folder and below."""
    hypernetworks.clear()
    for path in sorted(Path(cmd_opts.hypernetwork_dir).rglob("*.pt")):
        hypernetworks[path.stem] = str(path)
