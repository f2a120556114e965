"""The admin's pages of marketplaces, and what their forms do. The routes of the API do the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from agnes.access import service as access
from agnes.access.model import Group
from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import Clock, ObjectStore, Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.marketplace import blocking, needs, review, service, versions
from agnes.marketplace import declared as declarations
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
SHOWN_SYNCS = 15
HOME = "/admin/marketplaces"

SAID = {
    "registered": "The marketplace is registered. Sync it to fetch its plugins.",
    "changed": "The change is saved. The next sync goes by it.",
    "removed": "The marketplace is removed, with its plugins, grants and token.",
    "synced": "The repository was read. The history shows what changed.",
    "unchanged": "The repository holds nothing new.",
    "held": "New versions wait for your approval from now on.",
    "released": "New versions are served at once from now on. What waits keeps waiting for a decision.",
    "system": "Everybody has the plugin now, and nobody can remove it.",
    "ordinary": "It is an ordinary plugin again.",
    "disabled": "The plugin is out of every feed.",
    "enabled": "The plugin is back for those who had it.",
    "rolled_back": "This version is served until you follow the repository again.",
    "following": "The newest version that may be served is served again.",
    "rolled_out": "The group gets this version first.",
    "rollout_ended": "Everybody is served the same again.",
    "blocked": "That content is out of every feed.",
    "unblocked": "That content may be served again.",
    "approved": "The version is approved and served.",
    "rejected": "The version is rejected. It is not served, also when it comes again.",
}


@dataclass(frozen=True)
class Problem:
    """Why a form was refused."""

    message: str
    hint: str
    status: int

    @classmethod
    def of(cls, error: AgnesError) -> Problem:
        return cls(error.message, error.hint or "", error.status)


class Said(BaseModel):
    """Query of a page that a form leads to."""

    model_config = ConfigDict(extra="ignore")

    said: str = ""
    """Key of SAID; an unknown one shows nothing."""


@dataclass(frozen=True)
class _AdminPage:
    said: str
    problem: Problem | None

    @property
    def notice(self) -> str:
        return SAID.get(self.said, "")

    @property
    def status(self) -> int:
        return self.problem.status if self.problem else 200


@dataclass(frozen=True)
class MarketplacesPage(_AdminPage):
    template: ClassVar[str] = "marketplace/marketplaces.html"
    title: ClassVar[str] = "Marketplaces"
    marketplaces: list[Marketplace]
    waiting: dict[str, int]
    """Versions that wait for a decision, by marketplace."""
    given: NewMarketplace | None
    """What was typed into a form that was refused; never the token."""


@dataclass(frozen=True)
class MarketplacePage(_AdminPage):
    template: ClassVar[str] = "marketplace/marketplace.html"
    marketplace: Marketplace
    plugins: list[PluginLine]
    waiting: list[Waiting]
    syncs: list[SyncLine]

    @property
    def title(self) -> str:
        return self.marketplace.name


@dataclass(frozen=True)
class PluginPage(_AdminPage):
    template: ClassVar[str] = "marketplace/plugin.html"
    marketplace: Marketplace
    plugin: Plugin
    versions: list[VersionLine]
    groups: list[Group]
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
class ReviewPage(_AdminPage):
    template: ClassVar[str] = "marketplace/review.html"
    marketplace: Marketplace
    plugin_name: str
    review: Review
    kinds: ClassVar[dict[str, str]] = {
        "mods": "Modules that run inside Claude Code",
        "hooks": "Hooks",
        "monitors": "Background commands (monitors)",
        "servers": "MCP and LSP servers",
        "shell": "Shell commands in skills and commands",
        "workflows": "Workflows",
        "programs": "Programs on the PATH of a session",
        "downloads": "Programs downloaded at install",
        "packages": "npm packages installed with it",
        "dependencies": "Other plugins installed with it",
        "settings": "Settings of the session",
        "channels": "Channels: messages that reach the model unasked",
        "texts": "Texts before the model in every session",
        "tools": "Tools that it allows itself",
        "themes": "Themes",
        "hosts": "Hosts that it names",
        "executables": "Executable files",
    }
    """Capability list → its heading, the most dangerous first."""

    @property
    def title(self) -> str:
        return f"{self.plugin_name} {self.review.version.version}"


class MarketplaceForm(MarketplaceChange):
    """What the page of a marketplace sends; an empty token keeps the old one."""

    action: Literal["edit", "switch", "delete"]
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
    reason: str = ""


class DecisionForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["approve", "reject"]
    reason: str = ""


@dataclass(frozen=True)
class Desk:
    """What the forms work with."""

    state: State
    secrets: Secrets
    clock: Clock
    allow: frozenset[str]


def marketplaces_page(
    state: State, said: str = "", problem: Problem | None = None, given: NewMarketplace | None = None
) -> MarketplacesPage:
    with state.read("marketplace") as db:
        found = service.marketplaces(db)
        waiting = {m.id: len(versions.waiting(db, m.id)) for m in found}
    shown = given.model_copy(update={"token": None}) if given else None
    return MarketplacesPage(said, problem, found, waiting, shown)


def marketplace_page(
    state: State, marketplace_id: str, said: str = "", problem: Problem | None = None
) -> MarketplacePage:
    """Raises MarketplaceNotFound."""
    with state.read("marketplace") as db:
        return MarketplacePage(
            said,
            problem,
            service.get_marketplace(db, marketplace_id),
            service.plugin_lines(db, marketplace_id),
            versions.waiting(db, marketplace_id),
            service.syncs(db, marketplace_id, limit=SHOWN_SYNCS),
        )


def plugin_page(
    state: State, marketplace_id: str, name: str, said: str = "", problem: Problem | None = None
) -> PluginPage:
    """Raises MarketplaceNotFound, PluginNotFound."""
    with state.read(*FILES) as db:
        plugin = service.get_plugin(db, marketplace_id, name)
        return PluginPage(
            said,
            problem,
            service.get_marketplace(db, marketplace_id),
            plugin,
            review.lines(db, marketplace_id, name),
            access.groups(db),
            needs.needs(db).of(marketplace_id, plugin.declared),
        )


def review_page(
    state: State, store: ObjectStore, of: tuple[str, str, str], said: str = "", problem: Problem | None = None
) -> ReviewPage:
    """Of (marketplace, plugin, version). Raises what `review.review` does."""
    marketplace_id, name, version = of
    with state.read("marketplace") as db:
        marketplace = service.get_marketplace(db, marketplace_id)
    return ReviewPage(said, problem, marketplace, name, review.review(state, store, marketplace_id, name, version))


def path(*segments: str, said: str = "") -> str:
    """Of a page below HOME."""
    found = "/".join([HOME, *(quote(segment, safe="") for segment in segments)])
    return f"{found}?said={said}" if said else found


def register(desk: Desk, who: Principal, given: NewMarketplace) -> str:
    """The page to go on to."""
    made = service.register(desk.state, who, given, secrets=desk.secrets, clock=desk.clock, allow=desk.allow)
    return path(made.id, said="registered")


def change(desk: Desk, who: Principal, marketplace_id: str, form: MarketplaceForm) -> str:
    """The page to go on to."""
    if form.action == "delete":
        service.delete(desk.state, who, marketplace_id, purge=form.purge, secrets=desk.secrets)
        return path(said="removed")
    wish: dict[str, Any] = form.model_dump(exclude={"action", "clear_token", "purge"}, exclude_unset=True)
    wish["token"] = "" if form.clear_token else form.token or None
    given = MarketplaceChange(**wish)
    service.update(desk.state, who, marketplace_id, given, secrets=desk.secrets, clock=desk.clock, allow=desk.allow)
    if given.hold is not None:
        return path(marketplace_id, said="held" if given.hold else "released")
    return path(marketplace_id, said="changed")


def synced(report: SyncReport) -> str:
    """The page to go on to after a sync."""
    return path(report.id, said="synced" if report.changed else "unchanged")


def change_plugin(desk: Desk, who: Principal, of: tuple[str, str], form: PluginForm) -> str:
    """The page to go on to."""
    return path(of[0], "plugins", of[1], said=_changed_plugin(desk, who, of, form))


def _changed_plugin(desk: Desk, who: Principal, of: tuple[str, str], form: PluginForm) -> str:
    state, now = desk.state, desk.clock.now()
    if form.action in ("system", "ordinary"):
        service.set_system(state, who, *of, is_system=form.action == "system")
        return form.action
    if form.action in ("disable", "enable"):
        service.set_disabled(state, who, *of, disabled=form.action == "disable")
        return f"{form.action}d"
    if form.action in ("rollback", "follow"):
        review.roll_back(state, who, of, form.version if form.action == "rollback" else None, now=now)
        return "rolled_back" if form.action == "rollback" else "following"
    if form.action in ("rollout", "end_rollout"):
        wish = Rollout(version=form.version, group_id=form.group_id) if form.action == "rollout" else None
        review.roll_out(state, who, of, wish, now=now)
        return "rolled_out" if wish else "rollout_ended"
    if form.action == "block":
        blocking.block(state, who, form.tree_id, form.reason, now=now)
        return "blocked"
    blocking.unblock(state, who, form.tree_id, now=now)
    return "unblocked"


def decide(desk: Desk, who: Principal, of: tuple[str, str, str], form: DecisionForm) -> str:
    """The page to go on to."""
    given = Decision(approved=form.action == "approve", reason=form.reason[:500])
    review.decide(desk.state, who, of[:2], of[2], given, now=desk.clock.now())
    return path(of[0], "plugins", of[1], said="approved" if given.approved else "rejected")
