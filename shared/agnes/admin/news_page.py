"""Where admins write, change and remove news."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes.accounts import directory
from agnes.kernel.errors import BadRequestError
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.news import service
from agnes.news.model import Article, ArticleCreate, ArticleUpdate

PATH = "/admin/system/news"


class NewsForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["publish", "update", "remove"]
    id: str = Field("", max_length=40)
    title: str = Field("", max_length=120)
    body: str = Field("", max_length=10_000)


class NewsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str = Field("", max_length=40)
    """The article whose form is open."""


@dataclass(frozen=True)
class NewsAdminPage:
    template: ClassVar[str] = "admin/news.html"
    title: ClassVar[str] = "News"

    articles: list[Article]
    people: int
    """Active accounts, who read them."""
    query: NewsQuery


def news_page(state: State, query: NewsQuery) -> NewsAdminPage:
    with state.read("people") as db:
        return NewsAdminPage(service.articles(db), directory.count_active(db), query)


def change(state: State, who: Principal, form: NewsForm, *, now: datetime) -> str:
    """What the next page says. Raises BadRequestError, ArticleNotFound."""
    if form.action == "remove":
        service.remove(state, who, form.id)
        return "The article is removed."
    if not form.title.strip():
        raise BadRequestError("a title is needed", code="title_required")
    if form.action == "update":
        service.update(state, who, ArticleUpdate(id=form.id, title=form.title, body=form.body), now=now)
        return f"“{form.title.strip()}” is changed."
    service.publish(state, who, ArticleCreate(title=form.title, body=form.body), now=now)
    return f"“{form.title.strip()}” is published to everybody."
