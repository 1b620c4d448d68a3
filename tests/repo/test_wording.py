"""The worst of what the style page in CONTRIBUTING rules out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (
    *("ti_core", "ti_webui", "comfy_nodes", "scripts", "docs", "web", "locales/en"),
    *("example_workflows", "subgraphs"),
)
READ = (".py", ".md", ".js", ".json")
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "demo/README.md")
FILES = [ROOT / name for name in PAGES] + sorted(
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in READ
)
PATTERNS = {
    r"(?<!there )\b(?:is|are) no (?!longer|larger|more|other|better)\b": "is not a",
    r"\bso many (?:steps|pictures|images|epochs)\b": "N steps; 0 disables",
    r"\bwith a sentence\b": "with an error",
    r"(?<!not )\ball the same\b(?=[.,;)])": "anyway",
    r"\bis asked for\b": "is requested",
    r"\ba judge that sees\b": "a classifier that sees",
    r"\b(?:goes|go|went) on\b(?! (?:a|the|each|every|one|GPUs?|processors)\b)": "continues",
    r"\bnobody\b": "no one",
    r"\bwhoever\b": "anyone who",
    r"\bshall\b": "should",
    r"\b(?:lies|lie|stands) in\b": "is in",
    r"\b(?:left aside|passed over)\b": "ignored, skipped",
    r"\bone (?:(?:prompt|setting) )?a line\b": "one per line",
    r"\b(?:optimis|regularis)": "optimizer, regularization",
}
"""What is not written → what is, for example."""


def found(text: str) -> list[str]:
    """Every passage that one of the patterns matches."""
    return [match[0] for pattern in PATTERNS for match in re.finditer(pattern, text, re.I)]


def test_texts_follow_the_style_page() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in FILES}
    contributing = ROOT / "CONTRIBUTING.md"
    texts[contributing] = re.sub(r"(?m)^\|.*\|$", "", texts[contributing])  # its table has them
    assert {str(path): bad for path, text in texts.items() if (bad := found(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "'x' is no rate",
        "save every so many steps",
        "rejected with a sentence",
        "it trains all the same.",
        "more than is asked for",
        "prompts, one a line",
        "the optimiser's state",
    ],
)
def test_the_rule_notices(text: str) -> None:
    assert len(found(text)) == 1


def test_plain_english_is_left_alone() -> None:
    assert (
        found("there is no run of this name; it is no longer used; images must not be all the same")
        == []
    )
