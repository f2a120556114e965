"""Writes docs/decisions/README.md, the index of decisions: `make docs`."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
PAGE = FOLDER / "README.md"
TITLE = re.compile(r"# (\d+)\. (.+)")
STATUS = re.compile(r"Status: (.+)\. Date: (\d{4}-\d\d-\d\d)\.")

HEAD = """\
# Decisions

Why something is as it is. Each page has a title, a status with its date, the context, the decision and its consequences. A new one takes
the next number. This index is written by `make docs`.

| # | Decision | Status | Date |
|---|---|---|---|
"""


def line(page: Path) -> str:
    """The row of a page. Raises ValueError for a page of another form."""
    text = page.read_text()
    title, status = TITLE.match(text), STATUS.search(text, 0, 1500)
    if title is None or status is None or int(title[1]) != int(page.name[:4]):
        raise ValueError(f"{page.name} must begin with `# <its number>. <title>`, then `Status: …. Date: YYYY-MM-DD.`")
    return f"| {int(title[1])} | [{title[2]}]({page.name}) | {status[1]} | {status[2]} |\n"


def index() -> str:
    return HEAD + "".join(line(page) for page in sorted(FOLDER.glob("[0-9]*.md")))


if __name__ == "__main__":
    PAGE.write_text(index())
