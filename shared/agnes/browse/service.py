"""Browsing: one request, one answer."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes.access import service as access
from agnes.browse import queries
from agnes.browse.model import Day, Facet, FileLine, InnerItem, Item, Listing, PluginDetail, Usage
from agnes.kernel.errors import DeniedError, NotFoundError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db
from agnes.trees import service as trees

SERIES_DAYS = 30


class ItemsQuery(BaseModel):
    """Query of `GET /api/marketplace/items` and of the listing page; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tab: Literal["curated", "flea", "my"] = "curated"
    q: str = Field("", max_length=200)
    category: str = Field("", max_length=100)
    type: Literal["", "skill", "agent", "plugin"] = ""
    sort: Literal["recent", "most_used", "most_adopted", "trending"] = "recent"
    page: int = Field(1, ge=1, le=100_000)
    page_size: int = Field(24, ge=1, le=100)


class PluginNotFound(NotFoundError):
    code = "plugin_not_found"

    def __init__(self, marketplace_id: str, plugin: str) -> None:
        super().__init__(f"there is no plugin {plugin} in {marketplace_id}", hint="It may have been removed.")


class PluginNotGranted(DeniedError):
    code = "plugin_not_granted"

    def __init__(self, marketplace_id: str, plugin: str) -> None:
        super().__init__(
            f"{marketplace_id}/{plugin} is not granted to any of your groups", hint="Ask an admin for access."
        )


def listing(db: Db, who: Principal, query: ItemsQuery) -> Listing:
    """The page of items that the person asked for, with everything that the page around it shows."""
    which = queries.Filter(query.tab, query.q.strip(), query.category, query.sort)
    groups = sorted(who.group_ids)
    categories, curated, my, has_trend = queries.facets(db, user_id=who.user_id, groups=groups, which=which)
    rows, total = [], 0
    # Only plugins are curated; the flea tab has rows as soon as there are flea entities.
    if query.tab != "flea" and (query.tab == "curated" or query.type in ("", "plugin")):
        rows, total = queries.page(
            db,
            user_id=who.user_id,
            groups=groups,
            which=which,
            limit=query.page_size,
            offset=(query.page - 1) * query.page_size,
        )
    sorts = queries.SORTS if has_trend and query.tab != "flea" else queries.SORTS[:3]
    return Listing(
        items=tuple(_item(row) for row in rows),
        total=total,
        page=query.page,
        page_size=query.page_size,
        available_sorts=sorts,
        categories=() if query.tab == "flea" else tuple(Facet(name, count) for name, count in categories.items()),
        tabs={"curated": curated, "flea": 0, "my": my},
    )


def plugin_detail(
    db: Db, store: ObjectStore, who: Principal, marketplace_id: str, name: str, *, today: date
) -> PluginDetail:
    """One curated plugin. Raises PluginNotGranted (before existence is told) or PluginNotFound."""
    row = queries.one(db, user_id=who.user_id, groups=sorted(who.group_ids), marketplace_id=marketplace_id, name=name)
    if row is None:
        if who.is_admin or access.has_grant(db, who.group_ids, "marketplace_plugin", f"{marketplace_id}/{name}"):
            raise PluginNotFound(marketplace_id, name)
        raise PluginNotGranted(marketplace_id, name)
    calls = queries.daily(db, marketplace_id, name)
    days = [today - timedelta(days=back) for back in range(SERIES_DAYS - 1, -1, -1)]
    item = _item(row)
    return PluginDetail(
        item=item,
        marketplace_name=row["marketplace_name"],
        homepage=row["homepage"] or "",
        author_name=row["author_name"] or "",
        curator_email=row["curator_email"] or "",
        bundle_size=row["size_bytes"],
        released_at=row["released_at"],
        updated_at=row["updated_at"],
        inner=tuple(_inner(inner, item) for inner in queries.inner_items(db, marketplace_id, name)),
        files=tuple(FileLine(file.path, file.size_bytes) for file in trees.get(store, row["tree_id"]).files),
        daily_series=tuple(Day(day, calls.get(day, 0)) for day in days),
        problem=row["problem"] or "",
    )


def _item(row: dict[str, Any]) -> Item:
    slug, name = row["marketplace_id"], row["name"]
    return Item(
        id=f"curated-{slug}/{name}",
        source="curated",
        name=name,
        type="plugin",
        category=row["category"],
        description=row["description"] or "",
        owner=row["curator_name"] or "",
        version=row["version"] or "",
        photo_url=None,
        added=row["created_at"],
        installed=row["installed"],
        marketplace_slug=slug,
        marketplace_name=row["marketplace_name"],
        detail_url=f"/marketplace/curated/{slug}/{name}",
        visibility_status="approved",
        is_viewer_owner=False,
        is_system=row["is_system"],
        display_name="",
        tagline="",
        invocations_30d=row["invocations_30d"],
        distinct_users_30d=row["distinct_users_30d"],
        invocations_7d=row["invocations_7d"],
        distinct_users_7d=row["distinct_users_7d"],
        trend_pct=row["trend_pct"],
        stack_count=row["stack_count"],
        tokens_30d=row["tokens_30d"],
    )


def _inner(row: dict[str, Any], parent: Item) -> InnerItem:
    usage = Usage(
        row["invocations_30d"],
        row["distinct_users_30d"],
        row["invocations_7d"],
        row["distinct_users_7d"],
        row["trend_pct"],
        parent.stack_count,
        parent.title,
    )
    kind = row["kind"]
    invocation = f"/{parent.name}:{row['name']}" if kind in ("skill", "command") else ""
    if kind == "agent":
        invocation = f"{parent.name}:{row['name']}"
    return InnerItem(kind, row["name"], row["description"] or row["detail"] or "", invocation, usage)
