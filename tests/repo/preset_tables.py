"""`docs/presets.md`: every preset, its values, and what stands behind each."""

from __future__ import annotations

from collections.abc import Iterator

from ti_core.train.hypernetwork_presets import HYPERNETWORK_PRESETS
from ti_core.train.preset_files import Given, GivenValues, Preset
from ti_core.train.presets import PRESETS

_HEAD = """# Presets

What `--preset` sets in `ti train`, *What to teach* in the panel, `"preset"` in the API and *Preset*
on ComfyUI's nodes: the same values everywhere. Most are rules of thumb, and say so. They are in
[`presets.json`](../ti_core/train/presets.json) and, for hypernetworks,
[`hypernetwork_presets.json`](../ti_core/train/hypernetwork_presets.json).
Written by `python -m tests.repo`."""
_TABLE = "| setting | value | evidence |\n|---|---|---|"


def markdown() -> str:
    """The whole document."""
    embeddings = [part for each in PRESETS.items() for part in _section("ti train", *each)]
    networks = [
        part
        for each in HYPERNETWORK_PRESETS.items()
        for part in _section("ti hypernetwork train", *each)
    ]
    parts = [_HEAD, "## Embeddings", *embeddings, "## Hypernetworks", *networks]
    return "\n\n".join(parts) + "\n"


def _section(command: str, name: str, preset: Preset) -> Iterator[str]:
    yield f"### {preset.label}"
    yield f"`{command} --preset {name}`: {preset.about}"
    yield "\n".join([_TABLE, *_rows(preset)])


def _rows(preset: Preset) -> Iterator[str]:
    yield from _values(preset.given)
    for family, given in preset.given_by_family.items():
        yield from _values(given, f" ({family})")
    yield from _values(preset.given_more)


def _values(given: GivenValues, where: str = "") -> Iterator[str]:
    for name, each in given.items():
        yield f"| `--{name}`{where} | {_shown(each)} | {each.why} |"


def _shown(given: Given) -> str:
    value = given.value
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " × ".join(map(str, value))
    return f"`{value}`" if value != "" else "empty"
