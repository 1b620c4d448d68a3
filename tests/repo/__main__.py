"""Write the tables of `docs/architecture.md` anew."""

import re
from pathlib import Path

from .rooms import markdown

DOCUMENT = Path(__file__).parents[2] / "docs" / "architecture.md"

text = DOCUMENT.read_text(encoding="utf-8")
tables = f"<!-- rooms -->\n\n{markdown()}\n\n<!-- end of rooms -->"
text = re.sub("<!-- rooms -->.*<!-- end of rooms -->", lambda _: tables, text, flags=re.DOTALL)
DOCUMENT.write_text(text, encoding="utf-8")
