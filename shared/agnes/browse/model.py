"""What the catalogue holds, and what a card and a chip show of it; `detail` has what a page of its own shows."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agnes.claude_code.callers import Callers
from agnes.marketplace.declared import NOTHING, Declarations
from agnes.marketplace.model import Need
from agnes.stack.model import Claim
from agnes.telemetry.model import ItemKey

Source = Literal["curated", "flea"]
Kind = Literal["plugin", "skill", "agent"]
COVERS = 8
TAB_LABELS = {"curated": "Curated Marketplace", "flea": "Flea market", "my": "My Stack"}

CATEGORIES = {
    "Code & Engineering": "code",
    "Data & Analytics": "chart",
    "Documentation": "book",
    "Productivity": "spark",
    "Communication": "chat",
    "DevOps & Infra": "server",
    "Security": "shield",
    "Research": "flask",
    "Other": "grid",
}
"""The documented vocabulary and its icons. Unknown ones are shown as they are, with Other's icon."""
OTHER = "Other"

FIGURES = {
    "distinct_users_30d": "people who called it in the last 30 days",
    "invocations_30d": "calls in the last 30 days",
    "trend_pct": "calls of the last 7 complete days against the 7 before; none below 3 earlier calls",
    "stack_count": "people who have it in their stack now",
    "window": "30 days are today and the 29 days before it, in UTC",
}
"""What the figures mean: shown by the chip, answered by the API, printed by the command. The figures themselves
are telemetry's (`agnes.telemetry.lake.rollups`)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The figures of a chip; FIGURES says what they mean."""

    invocations_30d: int = 0
    distinct_users_30d: int = 0
    invocations_7d: int = 0
    distinct_users_7d: int = 0
    trend_pct: float | None = None
    stack_count: int = 0
    parent: str | None = None
    """Title of the plugin that an inner item belongs to: its stack count is the plugin's."""

    @property
    def is_shown(self) -> bool:
        return self.stack_count > 0 or self.invocations_30d > 0

    @property
    def trend_direction(self) -> Literal["up", "down", "flat"]:
        rounded = round(self.trend_pct or 0)
        return "up" if rounded > 0 else "down" if rounded < 0 else "flat"

    @property
    def trend_text(self) -> str:
        return f"{abs(round(self.trend_pct or 0)):,}%"

    @property
    def window(self) -> str:
        return FIGURES["window"]

    @property
    def sentences(self) -> Mapping[str, str]:
        """Each segment of the chip in words, with its whole number."""
        people = "person" if self.distinct_users_30d == 1 else "people"
        calls = "call" if self.invocations_30d == 1 else "calls"
        change = {"up": "more", "down": "fewer"}.get(self.trend_direction)
        trend = f"{self.trend_text} {change} calls in the last 7 complete days than in the 7 before"
        holders = "person has" if self.stack_count == 1 else "people have"
        held = f"{self.parent}, the plugin that it is part of," if self.parent else "it"
        return {
            "active": f"{self.distinct_users_30d:,} {people} called it in the last 30 days",
            "calls": f"{self.invocations_30d:,} {calls} in the last 30 days",
            "trend": trend if change else "as many calls in the last 7 complete days as in the 7 before",
            "installed": f"{self.stack_count:,} {holders} {held} in their stack now",
        }


@dataclass(frozen=True, slots=True)
class Figures:
    """What telemetry says of one item in 30 days, beside the chip."""

    usage: Usage = field(default_factory=Usage)
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    cost_usd: float | None = None
    """Of the tokens whose model has a price; None if none has."""
    unpriced_tokens: int = 0
    cache_creation_1h_tokens: int = 0
    """Those of `cache_creation_tokens` that are kept for an hour."""
    carried_tokens: int = 0
    """Those on which the item did not work itself: later in a turn under its stamp, or in a subagent."""
    carried_cost_usd: float | None = None
    carried_unpriced_tokens: int = 0

    @property
    def own_tokens(self) -> int:
        return self.tokens - self.carried_tokens

    @property
    def own_cost_usd(self) -> float | None:
        """None if nothing of it has a price."""
        if self.cost_usd is None or self.own_unpriced_tokens == self.own_tokens > 0:
            return None
        return self.cost_usd - (self.carried_cost_usd or 0.0)

    @property
    def own_unpriced_tokens(self) -> int:
        return self.unpriced_tokens - self.carried_unpriced_tokens

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_creation_tokens


@dataclass(frozen=True, slots=True)
class Inner:
    """A component inside a plugin, of a kind of `agnes.claude_code.components`."""

    kind: str
    name: str
    """What Claude Code writes behind the colon."""
    declared_name: str
    """The front matter's, empty if it has none; links with it work too."""
    description: str
    relpath: str
    detail: str
    """A hook's event, a server's transport, what a monitor runs."""

    @property
    def callers(self) -> Callers:
        """Who may use it, of a skill or a command."""
        return Callers.read(self.detail) if self.kind in ("skill", "command") else Callers.ANYBODY

    @property
    def stem(self) -> str:
        """The name of its file without the ending."""
        return self.relpath.rpartition("/")[2].rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class UseCase:
    title: str
    description: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Document:
    """Something to read beside the page: a stored file (a path below `/api/`) or another site's address."""

    name: str
    url: str
    size: int | None = None
    """Bytes, of a stored file."""

    @property
    def is_ours(self) -> bool:
        return self.url.startswith("/")


@dataclass(frozen=True, slots=True)
class Words:
    """What a curator or an owner wrote about a thing for its page; every part may be missing. Markdown where it says so."""

    display_name: str = ""
    tagline: str = ""
    category: str = ""
    """Of an inner item whose category is not its plugin's."""
    description: str = ""
    """Markdown."""
    when_to_use: str = ""
    """Markdown."""
    invocation: str = ""
    use_cases: tuple[UseCase, ...] = ()
    sample_user: str = ""
    sample_assistant: str = ""
    """Markdown."""
    cover_url: str | None = None
    """A path below this installation's address, as `detail_url` is one."""
    video_url: str | None = None
    documents: tuple[Document, ...] = ()


NO_WORDS = Words()


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that can be added to a stack, of whichever source. What browsing knows of a source is this row."""

    id: str
    """`curated-<marketplace>/<plugin>` or `flea-<entity>`."""
    source: Source
    name: str
    type: Kind
    category: str
    description: str
    owner: str
    """The curator's name, or the owner's user name."""
    version: str
    added: datetime | None
    updated: datetime | None
    released: datetime | None
    marketplace_id: str
    """A flea entity's own id."""
    marketplace_name: str
    detail_url: str
    item_key: ItemKey
    grant: str = ""
    """What a group must be granted to see it; empty for what everybody may see."""
    only_for: str = ""
    """Id of the only group that is served it, while no version is served to everybody."""
    audience: frozenset[str] | None = None
    """Ids of the groups that its owner shares it with; None for everybody, empty for nobody else."""
    is_system: bool = False
    order_in_stack: int = 0
    """Place in My Stack: by registration of the marketplace, then name."""
    status: Literal["approved", "pending", "quarantined", "archived"] = "approved"
    owner_id: str = ""
    prefix: str = ""
    """The word before the colon of an invocation, where it is not `name`."""
    author_name: str = ""
    curator_email: str = ""
    homepage: str = ""
    keywords: tuple[str, ...] = ()
    size_bytes: int = 0
    tree_id: str = ""
    problem: str = ""
    """Why the newest content is not what is served."""
    blocked: str = ""
    """Why its only version is served to nobody."""
    needs: tuple[Need, ...] = ()
    """Plugins that it needs."""
    declared: Declarations = NOTHING
    """What it says of itself beside its components."""
    words: Words = NO_WORDS
    inner: tuple[Inner, ...] = ()
    inner_words: Mapping[tuple[str, str], Words] = field(default_factory=dict)
    """(kind, name) → words."""

    @property
    def display_name(self) -> str:
        """The curator's word for the page, else what its author calls it; empty if neither says."""
        return self.words.display_name or self.declared.display_name

    @property
    def title(self) -> str:
        return self.display_name or self.name

    @property
    def key(self) -> str:
        """What a dependency names it by: `<slug>/<plugin>`; its id where nothing can depend on it."""
        return self.grant or self.id

    @property
    def claim(self) -> Claim:
        return Claim(self.source, self.owner if self.source == "flea" else self.marketplace_id, self.name)


@dataclass(frozen=True, slots=True)
class NeedLine:
    """A plugin that another one needs, as one person sees it."""

    name: str
    title: str
    marketplace: str
    """Its slug, or the name of a catalog that is not registered."""
    marketplace_name: str
    range: str
    """Versions that will do, empty for any."""
    version: str
    """The one that they have, or would get with it; empty where there is none."""
    detail_url: str
    """Empty if the person may not see it."""
    installed: bool
    """In the person's stack by itself."""
    state: Literal["in_stack", "served", "added", "unavailable"]
    """`served`: the person has it already for another plugin's sake; `added`: it comes with what needs it."""
    problem: str
    """Why it cannot be served to them, empty where it can."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the listing; field names are the API's."""

    id: str
    source: Source
    name: str
    type: Kind
    category: str
    description: str
    owner: str
    version: str
    photo_url: str | None
    added: datetime | None
    updated: datetime | None
    installed: bool
    marketplace_slug: str
    marketplace_name: str
    detail_url: str
    visibility_status: str
    is_viewer_owner: bool
    is_system: bool
    required: bool
    """One of the person's groups must have it."""
    display_name: str
    tagline: str
    invocations_30d: int
    distinct_users_30d: int
    invocations_7d: int
    distinct_users_7d: int
    trend_pct: float | None
    stack_count: int
    tokens_30d: int
    cost_usd_30d: float | None
    """Estimated, of the tokens whose model has a price; None if none has."""
    unpriced_tokens_30d: int
    hidden_reason: str = ""
    """Why it is not served although it is in the stack, as `/marketplace/info` says it."""
    required_by: tuple[str, ...] = ()
    """Titles of what is in the stack and needs it."""
    added_as_dependency: bool = False
    """Served because of `required_by` alone: it is not in the stack by itself."""
    version_reason: str = ""
    """Why the person gets this version, where most people get another one."""
    dependencies: tuple[NeedLine, ...] = ()
    """Plugins that it needs."""
    matched: str = ""
    """What inside it matched the search, such as `skill waterfall`; empty if it matched itself."""

    @property
    def title(self) -> str:
        return self.display_name or self.name

    @property
    def letters(self) -> str:
        return letters(self.type, self.title)

    @property
    def is_locked(self) -> bool:
        """In the stack, and not to be taken off."""
        return self.is_system or self.required

    @property
    def usage(self) -> Usage:
        return Usage(
            self.invocations_30d,
            self.distinct_users_30d,
            self.invocations_7d,
            self.distinct_users_7d,
            self.trend_pct,
            self.stack_count,
        )


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class CategoryFacet:
    name: str
    count: int
    icon_key: str


@dataclass(frozen=True, slots=True)
class Facets:
    """Values that the results have, each with how many would remain if it were chosen (or chosen instead)."""

    categories: tuple[CategoryFacet, ...]
    types: tuple[Facet, ...]
    publishers: tuple[Facet, ...]


NO_FILES = (
    "The stored files of this plugin are damaged: they cannot be shown, and feeds leave the plugin out, until the next sync of "
    "its marketplace has stored them again."
)
NO_FILES_OF_SHARED = (
    "The stored files of what a colleague shared are damaged: they cannot be shown, and feeds leave it out. Agnes tries to rebuild "
    "them every night. If this note stays, the owner has to share it again, or an operator restores the files from a backup."
)
NO_SHARED = (
    "What colleagues have shared in the flea market cannot be read right now, so it is left out here and in feeds. Everything "
    "else works. Admins see what to do on the health page."
)
NO_STACKS = (
    "Stacks cannot be read right now, so these pages do not show what you have added, and nothing can be added or removed. "
    "Nothing is lost: Claude Code keeps the plugins that it has. Admins see what to do on the health page."
)
NO_FIGURES = (
    "Usage figures are not up to date: their data cannot be read right now. Everything else works. "
    "Admins see what to do on the health page."
)


@dataclass(frozen=True, slots=True)
class Listing:
    """One answer for one view of the listing."""

    items: tuple[Item, ...]
    total: int
    """After filters; for trending, of those that have a trend."""
    page: int
    page_size: int
    sort: str
    """The one that was used."""
    available_sorts: tuple[str, ...]
    facets: Facets
    tabs: dict[str, int]
    """Tab → how many are in it before search and filters."""
    scope: tuple[str, ...]
    """Sources that were looked at."""
    popular: tuple[Item, ...]
    figures: dict[str, str]
    """What the figures mean."""
    notice: str = ""
    """What is wrong with the figures, if anything is."""

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.page_size))


def letters(kind: str, title: str) -> str:
    """What stands for a cover that there is not: of a plugin the first two of its title."""
    return {"skill": "SK", "agent": "AG"}.get(kind) or title[:2].upper()


def cover(name: str) -> int:
    """Which of the gradients stands for a name, the same on every page."""
    return zlib.crc32(name.encode()) % COVERS


def by_owner(entries: Sequence[Entry], order: Iterable[int]) -> dict[str, list[int]]:
    """User id → the entries that the person shares, in that order."""
    found: dict[str, list[int]] = {}
    for number in order:
        if owner := entries[number].owner_id:
            found.setdefault(owner, []).append(number)
    return found
