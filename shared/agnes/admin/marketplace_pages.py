"""Marketplaces: the list, one with its plugins, one plugin with its versions, the review of a version; and their forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from agnes.access import service as access
from agnes.access.model import Group
from agnes.accounts import service as accounts
from agnes.admin.paging import Paging, SearchQuery
from agnes.browse import service as browse
from agnes.kernel.ports import Clock, Message, ObjectStore, Queue, Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.marketplace import blocking, needs, nightly, review, rules, service, versions
from agnes.marketplace import declared as declarations
from agnes.marketplace.capabilities import HEADINGS
from agnes.marketplace.declared import Declarations
from agnes.marketplace.model import (
    Marketplace,
    MarketplaceChange,
    Need,
    NewMarketplace,
    Plugin,
    PluginLine,
    SyncLine,
    SyncReport,
)
from agnes.marketplace.review import Decision, Review, Rollout, VersionLine
from agnes.marketplace.versions import Waiting

FILES = ("marketplace", "people")
CATALOGUE_FILES = browse.FILES
"""Of pages that say how many have a plugin."""
PATH = "/admin/marketplaces"
SHOWN_SYNCS = 15
PLUGINS_A_PAGE = 50
FIRST_SYNC = timedelta(minutes=5)
"""So long the page of a new marketplace looks again by itself whether its plugins were read."""


class NewMarketplaceForm(BaseModel):
    """What the list's form sends: only the address is needed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    action: Literal["register"] = "register"
    url: str = Field(min_length=1, max_length=500)
    token: SecretStr = SecretStr("")
    name: str = ""
    slug: str = ""
    branch: str = ""
    ref: str = ""
    description: str = ""
    curator_name: str = ""
    curator_email: str = ""
    hold: bool = False
    allow_external: bool = False


class MarketplaceForm(BaseModel):
    """What the page of a marketplace sends; an empty token keeps the old one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    action: Literal["edit", "switch", "delete"]
    name: str | None = None
    url: str | None = None
    branch: str | None = None
    ref: str | None = None
    description: str | None = None
    token: SecretStr | None = None
    curator_name: str | None = None
    curator_email: str | None = None
    hold: bool | None = None
    allow_external: bool | None = None
    clear_token: bool = False
    purge: bool = False


class PluginForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal[
        "system", "ordinary", "disable", "enable", "rollback", "follow", "rollout", "end_rollout", "block", "unblock"
    ]
    version: str = ""
    group_id: str = ""
    tree_id: str = ""
    reason: str = Field("", max_length=500)


class DecisionForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["approve", "reject"]
    reason: str = Field("", max_length=500)


@dataclass(frozen=True)
class AdminContext:
    """What the forms work with."""

    state: State
    secrets: Secrets
    clock: Clock
    allow: frozenset[str]
    """What AGNES_OUTBOUND_ALLOW adds to https and public hosts."""

    @property
    def now(self) -> datetime:
        return self.clock.now()


@dataclass(frozen=True)
class MarketplacesPage:
    template: ClassVar[str] = "admin/marketplaces.html"
    title: ClassVar[str] = "Marketplaces"

    marketplaces: list[Marketplace]
    waiting: Mapping[str, int]
    """Versions that wait for a decision, by marketplace."""
    who: Principal


@dataclass(frozen=True)
class MarketplacePage:
    template: ClassVar[str] = "admin/marketplace.html"

    marketplace: Marketplace
    plugins: list[PluginLine]
    """Those of this page."""
    people: Mapping[str, int] | None
    """Plugin → people who have it in their stack; None where that cannot be read."""
    served: int
    waiting: list[Waiting]
    syncs: list[SyncLine]
    query: SearchQuery
    paging: Paging
    is_new: bool
    """It was registered a moment ago and is not synced yet."""

    @property
    def title(self) -> str:
        return self.marketplace.name

    @property
    def holders(self) -> int | None:
        return max(self.people.values(), default=0) if self.people is not None else None


@dataclass(frozen=True)
class PluginPage:
    template: ClassVar[str] = "admin/plugin.html"

    marketplace: Marketplace
    plugin: Plugin
    versions: list[VersionLine]
    groups: list[Group]
    people: int | None
    """Who have it in their stack; None where that cannot be read."""
    everybody: int
    """Active accounts."""
    needs: tuple[Need, ...] = ()
    """Plugins that the served version needs."""

    @property
    def declared(self) -> Declarations:
        return declarations.read(self.plugin.declared)

    @property
    def title(self) -> str:
        return f"{self.plugin.display_name} of {self.marketplace.name}"

    @property
    def group_names(self) -> dict[str, str]:
        return {group.id: group.name for group in self.groups}


@dataclass(frozen=True)
class ReviewPage:
    template: ClassVar[str] = "admin/review.html"
    marketplace: Marketplace
    plugin_name: str
    review: Review
    kinds: ClassVar[dict[str, str]] = HEADINGS

    @property
    def title(self) -> str:
        return f"{self.plugin_name} {self.review.version.version}"


def marketplaces_page(state: State, who: Principal) -> MarketplacesPage:
    with state.read("marketplace") as db:
        found = service.marketplaces(db)
        waiting = versions.count_waiting(db)
    return MarketplacesPage(found, waiting, who)


def marketplace_page(state: State, marketplace_id: str, query: SearchQuery, *, now: datetime) -> MarketplacePage:
    """Raises MarketplaceNotFound."""
    words = query.q.strip().casefold()
    with state.read("marketplace") as db:
        found = service.get_marketplace(db, marketplace_id)
        every = service.plugin_lines(db, marketplace_id)
        waiting = versions.waiting(db, marketplace_id)
        syncs = service.syncs(db, marketplace_id, limit=SHOWN_SYNCS)
    counts = browse.holder_counts(state)
    people = (
        {line.name: counts.get(f"{marketplace_id}/{line.name}", 0) for line in every} if counts is not None else None
    )
    matching = [line for line in every if words in f"{line.name} {line.display_name} {line.description}".casefold()]
    shown = matching[query.offset : query.offset + PLUGINS_A_PAGE]
    return MarketplacePage(
        marketplace=found,
        plugins=shown,
        people=people,
        served=sum(line.served and not line.disabled for line in every),
        waiting=waiting,
        syncs=syncs,
        query=query,
        paging=Paging(path(marketplace_id), {"q": query.q}, query.offset, PLUGINS_A_PAGE, len(shown), len(matching)),
        is_new=found.last_synced_at is None and not syncs and now - found.registered_at < FIRST_SYNC,
    )


def plugin_page(state: State, marketplace_id: str, name: str) -> PluginPage:
    """Raises MarketplaceNotFound, PluginNotFound."""
    counts = browse.holder_counts(state)
    with state.read(*FILES) as db:
        plugin = service.get_plugin(db, marketplace_id, name)
        return PluginPage(
            service.get_marketplace(db, marketplace_id),
            plugin,
            review.lines(db, marketplace_id, name),
            access.groups(db),
            counts.get(f"{marketplace_id}/{name}", 0) if counts is not None else None,
            accounts.count_users(db).active,
            needs.needs(db).of(marketplace_id, plugin.declared),
        )


def review_page(state: State, store: ObjectStore, of: tuple[str, str, str]) -> ReviewPage:
    """Of (marketplace, plugin, version). Raises what `review.review` does."""
    marketplace_id, name, version = of
    with state.read("marketplace") as db:
        marketplace = service.get_marketplace(db, marketplace_id)
    return ReviewPage(marketplace, name, review.review(state, store, marketplace_id, name, version))


def path(*segments: str) -> str:
    """Of a page below PATH."""
    return "/".join([PATH, *(quote(segment, safe="") for segment in segments)])


def register(context: AdminContext, queue: Queue, who: Principal, form: NewMarketplaceForm) -> tuple[str, str]:
    """Register a marketplace and queue its first sync: (page to go on to, notice). Raises what `service.register` does.

    Without a slug it is named after the repository, without a curator whoever registers it is the curator.
    """
    slug = form.slug or rules.slug_of(form.url)
    given = NewMarketplace(
        name=form.name or slug.replace("-", " ").replace("_", " ").title(),
        slug=slug,
        url=form.url,
        branch=form.branch or None,
        ref=form.ref or None,
        description=form.description or None,
        token=form.token.get_secret_value() or None,
        curator_name=form.curator_name or who.name or who.email,
        curator_email=form.curator_email or who.email,
        hold=form.hold,
        allow_external=form.allow_external,
    )
    made = service.register(
        context.state, who, given, secrets=context.secrets, clock=context.clock, allow=context.allow
    )
    queue.send([Message(nightly.QUEUE, {"id": made.id})])
    return path(made.id), f"{made.name} is registered, and its plugins are being read."


def change(context: AdminContext, who: Principal, marketplace_id: str, form: MarketplaceForm) -> tuple[str, str]:
    """Change or remove a marketplace: (page to go on to, notice). Raises what `service.update` and `.delete` do."""
    if form.action == "delete":
        service.delete(context.state, who, marketplace_id, purge=form.purge, secrets=context.secrets)
        return PATH, f"{marketplace_id} is removed, with its plugins, grants and token."
    wish: dict[str, Any] = form.model_dump(exclude={"action", "clear_token", "purge", "token"}, exclude_unset=True)
    typed = form.token.get_secret_value() if form.token else ""
    given = MarketplaceChange(**wish, token="" if form.clear_token else typed or None)
    service.update(
        context.state,
        who,
        marketplace_id,
        given,
        secrets=context.secrets,
        clock=context.clock,
        allow=context.allow,
    )
    if form.action == "switch" and given.hold is not None:
        return path(marketplace_id), (
            "New versions wait for your approval from now on."
            if given.hold
            else "New versions are served at once from now on. What waits keeps waiting for a decision."
        )
    return path(marketplace_id), "The change is saved. The next sync follows it."


def synced(report: SyncReport) -> tuple[str, str]:
    """(page to go on to, notice) after a sync."""
    text = "The repository was read. The history below shows what changed."
    return path(report.id), text if report.changed else "The repository holds nothing new."


@dataclass(frozen=True)
class _Asked:
    context: AdminContext
    who: Principal
    plugin: tuple[str, str]
    """(marketplace id, name)"""
    form: PluginForm


def change_plugin(context: AdminContext, who: Principal, of: tuple[str, str], form: PluginForm) -> tuple[str, str]:
    """(page to go on to, notice). Raises what `service`, `review` and `blocking` do."""
    return path(of[0], "plugins", of[1]), _PLUGIN_CHANGES[form.action](_Asked(context, who, of, form))


def _system(asked: _Asked) -> str:
    service.set_system(asked.context.state, asked.who, *asked.plugin, is_system=True)
    return "Everybody has the plugin now, and nobody can remove it."


def _ordinary(asked: _Asked) -> str:
    service.set_system(asked.context.state, asked.who, *asked.plugin, is_system=False)
    return "It is an ordinary plugin again: people have it if they add it."


def _disable(asked: _Asked) -> str:
    service.set_disabled(asked.context.state, asked.who, *asked.plugin, disabled=True)
    return "The plugin is disabled: no feed serves it."


def _enable(asked: _Asked) -> str:
    service.set_disabled(asked.context.state, asked.who, *asked.plugin, disabled=False)
    return "The plugin is served again to those who had it."


def _roll_back(asked: _Asked) -> str:
    review.roll_back(asked.context.state, asked.who, asked.plugin, asked.form.version, now=asked.context.now)
    return "This version is served until you follow the repository again."


def _follow(asked: _Asked) -> str:
    review.roll_back(asked.context.state, asked.who, asked.plugin, None, now=asked.context.now)
    return "The newest version that may be served is served again."


def _roll_out(asked: _Asked) -> str:
    wish = Rollout(version=asked.form.version, group_id=asked.form.group_id)
    review.roll_out(asked.context.state, asked.who, asked.plugin, wish, now=asked.context.now)
    return "The group gets this version first."


def _end_rollout(asked: _Asked) -> str:
    review.roll_out(asked.context.state, asked.who, asked.plugin, None, now=asked.context.now)
    return "Everybody is served the same version again."


def _block(asked: _Asked) -> str:
    blocking.block(asked.context.state, asked.who, asked.form.tree_id, asked.form.reason, now=asked.context.now)
    return "That content is blocked in every feed."


def _unblock(asked: _Asked) -> str:
    blocking.unblock(asked.context.state, asked.who, asked.form.tree_id, now=asked.context.now)
    return "That content may be served again."


_PLUGIN_CHANGES: dict[str, Callable[[_Asked], str]] = {
    "system": _system,
    "ordinary": _ordinary,
    "disable": _disable,
    "enable": _enable,
    "rollback": _roll_back,
    "follow": _follow,
    "rollout": _roll_out,
    "end_rollout": _end_rollout,
    "block": _block,
    "unblock": _unblock,
}


def decide(context: AdminContext, who: Principal, of: tuple[str, str, str], form: DecisionForm) -> tuple[str, str]:
    """(page to go on to, notice). Raises what `review.decide` does."""
    given = Decision(approved=form.action == "approve", reason=form.reason)
    review.decide(context.state, who, of[:2], of[2], given, now=context.now)
    text = (
        "The version is approved and served."
        if given.approved
        else "The version is rejected. It is not served, also when it comes again."
    )
    return path(of[0], "plugins", of[1]), text
