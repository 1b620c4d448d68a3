"""Write what is made from the code: tables of `docs/architecture.md` and `docs/surfaces.md`, and
`docs/map.md` and `docs/presets.md`."""

import re
from pathlib import Path

from . import modules, preset_tables, surfaces
from .rooms import markdown

DOCS = Path(__file__).parents[2] / "docs"

document = DOCS / "architecture.md"
text = document.read_text(encoding="utf-8")
tables = f"<!-- rooms -->\n\n{markdown()}\n\n<!-- end of rooms -->"
text = re.sub("<!-- rooms -->.*<!-- end of rooms -->", lambda _: tables, text, flags=re.DOTALL)
document.write_text(text, encoding="utf-8")
(DOCS / "map.md").write_text(modules.markdown(), encoding="utf-8")
(DOCS / "presets.md").write_text(preset_tables.markdown(), encoding="utf-8")
page = DOCS / "surfaces.md"
table = f"<!-- settings -->\n\n{surfaces.markdown()}\n\n<!-- end of settings -->"
text = page.read_text(encoding="utf-8")
text = re.sub("<!-- settings -->.*<!-- end of settings -->", lambda _: table, text, flags=re.DOTALL)
page.write_text(text, encoding="utf-8")
