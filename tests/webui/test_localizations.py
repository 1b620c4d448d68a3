"""Translations, in A1111's form: English text → the same in another language."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ti_core.train.hypernetwork_presets import HYPERNETWORK_PRESETS
from ti_core.train.presets import PRESETS
from ti_webui.panel import build_panel
from ti_webui.studio import Studio

FOLDER = Path(__file__).parents[2] / "localizations"
NODES = FOLDER.with_name("locales")
LANGUAGES = ("de_DE", "ja_JP", "zh_CN")  # A1111's names: files of one name are joined


def translation(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text("utf-8"))
    return found


Component = dict[str, Any]


@pytest.fixture
def components(studio: Studio) -> list[Component]:
    found: list[Component] = build_panel(studio).get_config_file()["components"]
    return found


class _Texts(HTMLParser):
    """A1111 translates each piece of text between two tags by itself."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.found.append(data.strip())


def _words(component: Component) -> list[str]:
    """Label, help, placeholder, a button's text, notes and headings."""
    props = component["props"]
    words = [props.get(key) for key in ("label", "info", "placeholder")]
    if component["type"] == "button":
        words.append(props.get("value"))
    if component["type"] == "html":
        words += _Texts(props.get("value") or "").found
    return [text for text in words if text]


def _goals() -> set[str]:
    """What is said of each goal once it is chosen."""
    return {preset.about for each in (PRESETS, HYPERNETWORK_PRESETS) for preset in each.values()}


def _choices(component: Component) -> list[tuple[str, Any]]:
    """Texts and values."""
    choices = component["props"].get("choices") or []
    return [(each, each) if isinstance(each, str) else tuple(each) for each in choices]


def _is_name(text: str, value: Any) -> bool:
    """One word that is the value itself, as in files and on the command line: fp16, AdamW."""
    return text == value and " " not in text


def test_the_files_are_those_of_the_languages() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_is_a_text_that_the_panel_shows(
    language: str, components: list[Component]
) -> None:
    """A1111 looks for the exact text; a key that is nowhere is a label that has changed."""
    shown = {text for each in components for text in _words(each)} | _goals()
    shown |= {text for each in components for text, _ in _choices(each)}
    assert sorted(set(translation(language)) - shown) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_panel_is_translated(language: str, components: list[Component]) -> None:
    """Choices that are names are the same in every language."""
    words = {text for each in components for text in _words(each)} | _goals()
    for each in components:
        words |= {text for text, value in _choices(each) if not _is_name(text, value)}
    missing = sorted(words - set(translation(language)))
    assert not missing, f"localizations/{language}.json lacks {missing}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_are_plain_text(language: str) -> None:
    for english, text in translation(language).items():
        assert text.strip() == text != ""
        assert set("<>") & set(text) <= set(english), english


def _node_names(language: str) -> list[str]:
    """Of every input, in one order for all languages."""
    nodes = json.loads((NODES / language / "nodeDefs.json").read_text("utf-8"))
    return [
        each["name"]
        for _, node in sorted(nodes.items())
        for _, each in sorted(node["inputs"].items())
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_fields_of_nodes_are_called_as_those_of_the_panel(language: str) -> None:
    panel = translation(language)
    pairs = zip(_node_names("en"), _node_names(language.split("_")[0]), strict=True)
    assert {(e, text, panel[e]) for e, text in pairs if panel.get(e, text) != text} == set()
