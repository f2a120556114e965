"""Writes docs/settings.md: `make docs`."""

from __future__ import annotations

from pathlib import Path

from agnes import settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"

TEXT = """\
# Settings

Environment variables, read once at start. What is wrong or missing stops the start with one message that names
every variable. This page is generated from `shared/agnes/settings.py` by `make docs`.

{table}

On AWS the root stack's parameters set them (docs/runbooks/deploy.md). The `agnes` command has its own two:
`AGNES_SERVER`, the address of the server, and `AGNES_CONFIG_DIR`, where it keeps its token.

Where tests keep the servers that they install: `AGNES_CACHE_DIR`.
"""

if __name__ == "__main__":
    PAGE.write_text(TEXT.format(table=settings.table()))
