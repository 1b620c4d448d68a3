"""Translations, in A1111's form: English text → the same in another language."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ti_webui.panel import build_panel
from ti_webui.studio import Studio

FOLDER = Path(__file__).parents[2] / "localizations"
LANGUAGES = ("de_DE", "ja_JP", "zh_CN")  # A1111's names: files of one name are joined


def translation(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text("utf-8"))
    return found


@pytest.fixture
def shown(studio: Studio) -> set[str]:
    """Every label, button and choice of the panel."""
    components = build_panel(studio).get_config_file()["components"]
    return {text for each in components for text in _texts(each["type"], each["props"])}


def _texts(kind: str, props: dict[str, Any]) -> list[str]:
    choices = [c if isinstance(c, str) else c[0] for c in props.get("choices") or []]
    own = [props.get("value")] if kind == "button" else []
    if kind == "html":  # headings of groups
        own = re.findall('<h4 class="ti-group">(.*?)</h4>', str(props.get("value")))
    return [text for text in (props.get("label"), *own, *choices) if isinstance(text, str)]


def test_the_files_are_those_of_the_languages() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_is_a_text_that_the_panel_shows(language: str, shown: set[str]) -> None:
    """A1111 looks for the exact text; a key that is nowhere is a label that has changed."""
    assert sorted(set(translation(language)) - shown) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_tabs_and_buttons_are_translated(language: str, studio: Studio) -> None:
    components = build_panel(studio).get_config_file()["components"]
    words = {c["props"].get("value") for c in components if c["type"] == "button"}
    words |= {c["props"].get("label") for c in components if c["type"] == "tabitem"}
    known = set(translation(language)) | {"Interrupt", "Pause"}  # the same word in some
    assert sorted(words - known - {None, ""}) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_are_plain_text(language: str) -> None:
    for english, text in translation(language).items():
        assert text.strip() == text != ""
        assert not set("<>") & set(text), english
