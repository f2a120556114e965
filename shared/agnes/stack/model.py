"""What a person holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, StrictBool

from agnes.marketplace.model import Need, marketplace_of, resource_id


class Claim(NamedTuple):
    """What wants a name in somebody's stack."""

    source: str
    """`curated` or `flea`."""
    origin: str
    """The marketplace's id, or the owner's user name."""
    name: str


NOT_GRANTED: Final = "not_granted"
NOT_ADDED: Final = "not_added"
DISABLED: Final = "disabled"
REMOVED: Final = "removed_upstream"
NO_VERSION: Final = "no_version"
BLOCKED: Final = "blocked_version"
DAMAGED: Final = "damaged"
NOT_APPROVED: Final = "not_approved"
NAME_CONFLICT: Final = "name_conflict"
MISSING_DEPENDENCY: Final = "missing_dependency"
OUT_OF_RANGE: Final = "version_out_of_range"

RESOLVED = (NAME_CONFLICT, MISSING_DEPENDENCY, OUT_OF_RANGE)
"""Why something is not served that could be, if the person had nothing else or more."""

ReasonKind = Literal[
    "not_granted",
    "not_added",
    "disabled",
    "removed_upstream",
    "no_version",
    "blocked_version",
    "damaged",
    "not_approved",
    "name_conflict",
    "missing_dependency",
    "version_out_of_range",
]


class Reason(NamedTuple):
    """Why something is not served."""

    kind: ReasonKind
    text: str
    """A clause or a sentence for people, without a full stop."""
    about: str = ""
    """Key of the other thing that it is about: what has the name, what is missing, the new name of what was renamed."""


class Granted(dict[str, bool]):
    """What somebody's groups were granted: resource → whether one of its grants is required.

    A resource is `<slug>/<plugin>`, or `<slug>` for a whole marketplace, which stands for each plugin in it.
    """

    @property
    def marketplaces(self) -> frozenset[str]:
        """Those that were granted completely."""
        return frozenset(resource for resource in self if "/" not in resource)

    def covers(self, plugin: str) -> bool:
        """Whether a plugin (`<slug>/<plugin>`) was granted, itself or with its marketplace."""
        return plugin in self or marketplace_of(plugin) in self

    def requires(self, plugin: str) -> bool:
        """Whether a grant that reaches the plugin is required."""
        return self.get(plugin, False) or self.get(marketplace_of(plugin), False)


NAME_TAKEN = "the name is taken by"


def name_taken(winner: Claim) -> str:
    """Why something is not served whose name another thing has."""
    return f"{NAME_TAKEN} {winner.name} of {winner.origin} ({winner.source})"


def blocked_reason(version: str, reason: str) -> str:
    return f"version {version} is blocked: {reason}"


@dataclass(frozen=True, slots=True)
class ServedPlugin:
    """A plugin that a person is served, with what the feed needs to compose it."""

    marketplace_id: str
    name: str
    served_name: str
    """The word in the catalog, in plugin.json and before the colon of an invocation."""
    version: str
    tree_id: str
    git_oid: str
    description: str
    raw: dict[str, Any]
    """The upstream catalog's entry."""
    is_system: bool
    registered_at: datetime
    released_at: datetime
    needs: tuple[Need, ...] = ()

    @property
    def resource(self) -> str:
        return resource_id(self.marketplace_id, self.name)


@dataclass(frozen=True, slots=True)
class VersionReason:
    """Why a person gets another version of a plugin than most people do."""

    group_id: str
    """Of the person's group that gets a version before everybody; empty where a range asks for an older one."""
    instead_of: str
    """The version that they would get otherwise; empty if there would be none."""
    asking: tuple[str, ...] = ()
    """What asks for an older one, such as `report needs ^1.2`."""

    def text(self, group: str) -> str:
        """The reason as a sentence; `group` is the group's name."""
        usual = self.instead_of.partition("+")[0]
        if self.asking:
            return f"Older than {usual}, because {' and '.join(self.asking)}."
        others = f"others have version {usual}" if usual else "nobody else has the plugin yet"
        return f"Your group {group} gets this version first; {others}."


@dataclass(frozen=True, slots=True)
class StackPlugin:
    """A plugin that a person may have, as my-stack shows it."""

    marketplace_id: str
    marketplace_name: str
    plugin_name: str
    description: str
    version: str | None
    category: str | None
    author_name: str | None
    enabled: bool
    is_system: bool
    required: bool
    """One of the person's groups must have it."""
    served: bool
    """False while there is nothing to serve; `problem` says why."""
    problem: str | None
    subscribed_at: datetime | None
    display_name: str = ""
    """As people read its name."""
    required_by: tuple[str, ...] = ()
    """`<slug>/<plugin>` of what is served and needs it."""
    added_as_dependency: bool = False
    """Served because of `required_by` alone: the person did not add it, and loses it with the last of those."""
    dependencies: tuple[Need, ...] = ()
    version_reason: str = ""
    """Why this version, where most people get another one."""


@dataclass(frozen=True, slots=True)
class StackEntity:
    """A flea entity that a person added, as my-stack shows it."""

    entity_id: str
    name: str
    """The served name."""
    type: str
    description: str
    category: str
    owner: str
    version: str
    status: str
    served: bool
    """False while it is held back or outdone; `status` or `problem` say why."""
    problem: str | None
    installed_at: datetime


@dataclass(frozen=True, slots=True)
class MyStack:
    curated: list[StackPlugin]
    store: list[StackEntity]


@dataclass(frozen=True, slots=True)
class Installed:
    installed: bool


@dataclass(frozen=True, slots=True)
class EntityInstalled:
    entity_id: str
    installed: bool


@dataclass(frozen=True, slots=True)
class RequiredFlag:
    grant_id: str
    resource_id: str
    required: bool


@dataclass(frozen=True, slots=True)
class Toggled:
    ok: bool
    enabled: bool


class Toggle(BaseModel):
    model_config = ConfigDict(extra="forbid")

    enabled: StrictBool
