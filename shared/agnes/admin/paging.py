"""Links to the pages before and after the one that a list shows."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field


class PageQuery(BaseModel):
    """Which part of a list a page shows. What else is in an address is left out of account."""

    model_config = ConfigDict(extra="ignore")

    offset: int = Field(0, ge=0, le=1_000_000)


class SearchQuery(PageQuery):
    q: str = Field("", max_length=200)


@dataclass(frozen=True, slots=True)
class Paging:
    """`path` and `given` are the list's address and its filters, without those that are empty."""

    path: str
    given: dict[str, str]
    offset: int
    limit: int
    shown: int
    total: int

    def link(self, offset: int) -> str:
        pairs = {name: value for name, value in {**self.given, "offset": str(offset or "")}.items() if value}
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    @property
    def first(self) -> int:
        return self.offset + 1 if self.shown else 0

    @property
    def last(self) -> int:
        return self.offset + self.shown

    @property
    def previous(self) -> str:
        return self.link(max(0, self.offset - self.limit)) if self.offset else ""

    @property
    def following(self) -> str:
        return self.link(self.last) if self.last < self.total else ""
