"""What a plugin, a flea entity, or a skill or an agent inside one shows on a page of its own, and in its API route."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from agnes.browse.model import Document, Entry, Figures, Inner, Item, Usage, Words
from agnes.claude_code.callers import Callers
from agnes.claude_code.components import KINDS, SHOWN_APART, ComponentKind


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    invocations: int


@dataclass(frozen=True, slots=True)
class FileLine:
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A sync that changed a plugin, or a version of what somebody shares."""

    at: datetime
    what: Literal["added", "updated", "removed", "refused", "released"]
    commit: str
    """Empty for what somebody shares."""
    reason: str = ""
    """Why a version was refused."""
    version: str = ""
    """Of what somebody shares: its number."""
    words: str = ""
    """What is new in it, as its owner says."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Something that a plugin does by itself once it is installed."""

    kind: str
    """`hooks`, `mcp`, `shell` (programs and scripts among its files), or another kind of `agnes.claude_code.components`."""
    title: str
    names: tuple[str, ...]
    danger: str = "process"
    """`client`: runs inside Claude Code; `process`: runs programs; `text`: reaches the model; `looks`."""


@dataclass(frozen=True, slots=True)
class InnerLine:
    """An inner item with its figures, as the plugin's page lists it."""

    inner: Inner
    words: Words
    usage: Usage
    """With the stack count of its plugin."""
    figures: Figures
    detail_url: str
    """Empty for commands, hooks and servers."""
    invocation: str
    """What a person types or a model calls, empty for hooks and servers."""

    @property
    def callers(self) -> Callers:
        """Who may use it."""
        return self.inner.callers


@dataclass(frozen=True, slots=True)
class Together:
    """A plugin that was used in the same sessions as another."""

    item: Item
    sessions_30d: int


@dataclass(frozen=True, slots=True)
class NeededBy:
    """A plugin that needs another one, as one person sees it."""

    title: str
    marketplace: str
    range: str
    """The versions of the other one that will do, empty for any."""
    detail_url: str
    installed: bool
    """In the person's stack by itself."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """The version that one group gets before everybody."""

    version: str
    group: str
    """Its name, for members and admins; empty for others."""
    is_mine: bool
    """The person is in that group."""
    usual_version: str
    """What everybody else gets; empty if they get none."""


@dataclass(frozen=True, slots=True)
class PluginDetail:
    """One plugin, as its page and its API route show it."""

    entry: Entry
    item: Item
    is_granted: bool
    """Whether the person may add it; an admin sees what was granted to others only."""
    figures: Figures
    lines: tuple[InnerLine, ...]
    files: tuple[FileLine, ...]
    docs: tuple[Document, ...]
    """What the curator chose, else what is below the plugin's `docs/`."""
    capabilities: tuple[Capability, ...]
    changes: tuple[ChangeLine, ...]
    together: tuple[Together, ...]
    """What was used in the same sessions in 30 days, the likest first."""
    same_stacks: tuple[Item, ...]
    """What else people who have it in their stack have, most of them first."""
    more: tuple[Item, ...]
    """What else its owner shares with the person, the newest first."""
    is_own: bool
    """The person shares it themself."""
    daily_series: tuple[Day, ...]
    readme: str
    """Markdown, empty if there is none."""
    body: str = ""
    """Markdown of a skill or an agent by itself: what Claude reads."""
    adds: tuple[Item, ...] = ()
    """What would be served with it for its sake, if it were added: what it needs, and what those need."""
    cannot_add: str = ""
    """Why it would not be served if it were added."""
    is_refused: bool = False
    """`cannot_add` is a reason for which adding it is refused."""
    needed_by: tuple[NeededBy, ...] = ()
    """Plugins that the person may have and that need it, those in their stack first."""
    rollout: Rollout | None = None
    notice: str = ""
    """What is wrong with the files or the figures, if anything is."""

    def of_kind(self, kind: str) -> tuple[InnerLine, ...]:
        """What a plugin is made of; a skill or an agent by itself has no structure."""
        return tuple(line for line in self.lines if line.inner.kind == kind and self.entry.type == "plugin")

    @property
    def tables(self) -> tuple[tuple[ComponentKind, tuple[InnerLine, ...]], ...]:
        """What it is made of besides what has a section of its own, by kind in the order of `agnes.claude_code.components`."""
        found = ((row, self.of_kind(row.kind)) for row in KINDS if row.kind not in SHOWN_APART)
        return tuple((row, lines) for row, lines in found if lines)

    @property
    def itself(self) -> InnerLine | None:
        """The one thing that a flea skill or agent is."""
        return next((line for line in self.lines if line.inner.kind == self.entry.type), None)


@dataclass(frozen=True, slots=True)
class InnerDetail:
    """One skill or agent inside a plugin."""

    parent: Entry
    parent_item: Item
    line: InnerLine
    body: str
    """Markdown without the front matter."""
    files: tuple[FileLine, ...]
    bundle_size: int
    daily_series: tuple[Day, ...]
    notice: str = ""
    """What is wrong with the files, if anything is."""

    @property
    def title(self) -> str:
        return self.line.words.display_name or self.line.inner.name

    @property
    def category(self) -> str:
        return self.line.words.category or self.parent.category
