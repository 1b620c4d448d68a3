"""What mkdocs adds to the pages: parts made from the code, and pages kept elsewhere."""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.repo import reference  # noqa: E402  (the checkout need not be installed)

ELSEWHERE = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "demo/README.md": "demo.md",
}
"""File of the repository → page of the site."""
NODES = "web/docs"
"""The help pages of ComfyUI's nodes."""
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
_PART = re.compile(r"<!-- made: (\w+) -->")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the help pages of the nodes to the reference."""
    sections = {title: pages for each in config.nav or () for title, pages in _titled(each)}
    helps = [page for page in pages_elsewhere().values() if page.startswith("nodes/")]
    sections["Reference"].append({"ComfyUI nodes": helps})
    return config


def _titled(entry: object) -> Iterable[tuple[str, list[object]]]:
    return entry.items() if isinstance(entry, dict) else ()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that the repository keeps elsewhere."""
    for source, page in pages_elsewhere().items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    document = json.dumps(reference.openapi(), indent=1)
    files.append(File.generated(config, "openapi.json", content=document))
    return files


def pages_elsewhere() -> Mapping[str, str]:
    """File of the repository → page of the site."""
    helps = sorted((ROOT / NODES).glob("*.md"))
    return ELSEWHERE | {f"{NODES}/{each.name}": f"nodes/{each.name}" for each in helps}


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what is made from the code, and let links lead to pages of the site."""
    markdown = _PART.sub(lambda found: getattr(reference, found[1])(), markdown)
    return with_links(markdown, page.file.src_uri)


def with_links(markdown: str, page: str) -> str:
    """Links between files as links between pages; of one to code, its text."""
    sites = pages_elsewhere()
    source = next((file for file, made in sites.items() if made == page), f"docs/{page}")

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found.groups(default="")
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        there = sites.get(wanted) or (wanted[5:] if wanted.startswith("docs/") else None)
        if there is None:
            return text
        return f"[{text}]({posixpath.relpath(there, posixpath.dirname(page) or '.')}{anchor})"

    return _LINK.sub(link, markdown)
