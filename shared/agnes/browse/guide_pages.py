"""Pages that explain: how to submit a plugin, how the flea market works, what a marketplace's files may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


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
