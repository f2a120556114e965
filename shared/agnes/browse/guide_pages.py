"""Pages that explain: how to submit a plugin, how the flea market works, what a marketplace's files may say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import agnes
from agnes.browse.markdown import rendered

RUNBOOKS = Path(agnes.__file__).parents[2] / "docs" / "runbooks"
"""As in the checkout; the layer `code` has them too."""


@dataclass(frozen=True)
class GuidePage:
    template: ClassVar[str] = "browse/guide.html"
    title: ClassVar[str] = "Submit a plugin"


@dataclass(frozen=True)
class FleaGuidePage:
    template: ClassVar[str] = "browse/flea_guide.html"
    title: ClassVar[str] = "How the flea market works"


@dataclass(frozen=True)
class FormatGuidePage:
    template: ClassVar[str] = "browse/format_guide.html"
    title: ClassVar[str] = "Format guide"


@dataclass(frozen=True)
class RunbookPage:
    """What to do about damage, as docs/runbooks/damaged-data.md says it."""

    template: ClassVar[str] = "browse/runbook.html"
    title: ClassVar[str] = "Damaged data"

    @property
    def body_html(self) -> str:
        return _runbook("damaged-data.md")


@cache
def _runbook(name: str) -> str:
    return rendered((RUNBOOKS / name).read_text().partition("\n")[2])
