"""The page of news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from agnes.browse.markdown import rendered
from agnes.kernel.state import State
from agnes.news import service
from agnes.news.model import Article

SHOWN = 30


@dataclass(frozen=True)
class NewsPage:
    template: ClassVar[str] = "profile/news.html"
    title: ClassVar[str] = "News"

    articles: list[Article]

    def html(self, article: Article) -> str:
        """Of its Markdown, sanitised."""
        return rendered(article.body)


def news_page(state: State) -> NewsPage:
    with state.read("people") as db:
        return NewsPage(service.articles(db, limit=SHOWN))
