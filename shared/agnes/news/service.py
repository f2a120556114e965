"""Publish, change and remove articles; list them."""

from __future__ import annotations

from datetime import datetime

from agnes.kernel.ids import new_ulid
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, Row, State, Tx
from agnes.news.model import MAX_ARTICLES, Article, ArticleCreate, ArticleNotFound, ArticleUpdate

_COLUMNS = "id, title, body, published_at, published_by, updated_at"


def articles(db: Db, *, limit: int = MAX_ARTICLES) -> list[Article]:
    """Newest first; `db` has `people`."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM people.news ORDER BY published_at DESC, id DESC LIMIT ?", [limit])  # noqa: S608 (constant)
    return [_article(row) for row in rows.fetchall()]


def publish(state: State, who: Principal, given: ArticleCreate, *, now: datetime) -> Article:
    """Raises DeniedError."""
    who.require_admin()
    made = Article(new_ulid(now), given.title, given.body, now, who.email, None)

    def change(tx: Tx) -> Article:
        tx.db.execute(
            "INSERT INTO people.news (id, title, body, published_at, published_by) VALUES (?, ?, ?, ?, ?)",
            [made.id, made.title, made.body, made.published_at, made.published_by],
        )
        oldest = [article.id for article in articles(tx.db, limit=MAX_ARTICLES + 50)[MAX_ARTICLES:]]
        tx.db.execute("DELETE FROM people.news WHERE list_contains(?, id)", [oldest])
        tx.record(Change("news.publish", f"news:{made.id}", {"title": made.title, "removed": oldest}))
        return made

    return state.commit("people", change)


def update(state: State, who: Principal, given: ArticleUpdate, *, now: datetime) -> Article:
    """Raises DeniedError, ArticleNotFound."""
    who.require_admin()

    def change(tx: Tx) -> Article:
        before = _get(tx.db, given.id)
        tx.db.execute(
            "UPDATE people.news SET title = ?, body = ?, updated_at = ? WHERE id = ?",
            [given.title, given.body, now, given.id],
        )
        tx.record(
            Change(
                "news.update",
                f"news:{given.id}",
                {"title": given.title, "body": given.body},
                {"title": before.title, "body": before.body},
            )
        )
        return _get(tx.db, given.id)

    return state.commit("people", change)


def remove(state: State, who: Principal, article_id: str) -> None:
    """Raises DeniedError, ArticleNotFound."""
    who.require_admin()

    def change(tx: Tx) -> None:
        before = _get(tx.db, article_id)
        tx.db.execute("DELETE FROM people.news WHERE id = ?", [article_id])
        tx.record(Change("news.remove", f"news:{article_id}", {}, {"title": before.title, "body": before.body}))

    state.commit("people", change)


def _get(db: Db, article_id: str) -> Article:
    row = db.execute(f"SELECT {_COLUMNS} FROM people.news WHERE id = ?", [article_id]).fetchone()  # noqa: S608 (constant)
    if row is None:
        raise ArticleNotFound
    return _article(row)


def _article(row: Row) -> Article:
    return Article(*row)
