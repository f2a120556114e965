"""An article of the news, and what an admin may say of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agnes.kernel.errors import NotFoundError

MAX_ARTICLES = 200
"""That are kept: publishing one more removes the oldest."""


@dataclass(frozen=True, slots=True)
class Article:
    id: str
    title: str
    body: str
    """Markdown."""
    published_at: datetime
    published_by: str
    """An e-mail address."""
    updated_at: datetime | None


class ArticleCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    body: Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000)] = Field(
        "", description="Markdown."
    )


class ArticleUpdate(ArticleCreate):
    id: str = Field(min_length=1, max_length=40)


class ArticleNotFound(NotFoundError):
    code = "article_not_found"

    def __init__(self) -> None:
        super().__init__(
            "there is no such article", hint="It may have been removed. GET /api/news lists those that there are."
        )
