"""Kinds of images that Pillow knows only with a plug-in, or in its newer versions."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable

from PIL import Image

PACKAGES = {"AVIF": "pillow-avif-plugin", "HEIF": "pillow-heif", "JXL": "pillow-jxl-plugin"}
"""Pillow's name of a format → what to install where it is not known."""


def is_known(name: str) -> bool:
    """Whether Pillow reads a format here, with the plug-ins that are installed."""
    Image.init()
    if name not in Image.OPEN and name in _LOADERS:
        look_for_plugin(name)
    return name in Image.OPEN


@functools.cache
def look_for_plugin(name: str) -> None:
    """Once in a process: a package that is not there costs a search of all folders each time."""
    with contextlib.suppress(ImportError):
        _LOADERS[name]()


def _load_heif() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()


def _load_avif() -> None:
    import pillow_avif  # noqa: F401 - registers itself


def _load_jxl() -> None:
    import pillow_jxl  # noqa: F401 - registers itself


_LOADERS: dict[str, Callable[[], None]] = {
    "HEIF": _load_heif,
    "AVIF": _load_avif,
    "JXL": _load_jxl,
}
